"""Carries out changes of a champion and keeps their log, as tags of the registered model. Use it under the registry's lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fti_assets.model_registry._process import who
from fti_assets.model_registry._registration import every_version, settle_versions
from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS
from fti_assets.model_registry.promotion import Kind, Promotion, Settlement, read_log, settlement


class PromotionLog:
    """The log of one model, after whatever was broken off before has been settled."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name
        self._load()
        self._settle(settlement(self.entries, self.aliases.get(CHAMPION)))
        settle_versions(client, name, self.aliases.get(CHALLENGER))

    @property
    def champion(self) -> int | None:
        return self.aliases.get(CHAMPION)

    @property
    def previous(self) -> int | None:
        return self.aliases.get(PREVIOUS)

    def change(self, kind: Kind, version: int, *, reason: str, figures: Mapping[str, float], run: str | None) -> None:
        """Makes a version the champion: the entry first, then the alias, which is what counts, then the rest."""
        entry = Promotion(
            number=self._next,
            kind=kind,
            version=version,
            previous=self.champion,
            who=who(),
            at=datetime.now(UTC),
            reason=reason,
            figures=figures,
            run=run,
            done=False,
        )
        self._write(entry)
        self._client.set_registered_model_alias(self._name, CHAMPION, str(version))
        self._finish(entry)

    @property
    def _next(self) -> int:
        return self.entries[-1].number + 1 if self.entries else 1

    def _load(self) -> None:
        found = self._client.get_registered_model(self._name)
        self.entries = read_log(found.tags)
        self.aliases = {alias: int(version) for alias, version in found.aliases.items()}

    def _settle(self, found: Settlement) -> None:
        if found.finish:
            self._finish(found.finish)
        if found.drop:
            self._client.delete_registered_model_tag(self._name, found.drop.key)
            self.entries = self.entries[:-1]
        if found.outside:
            before, now = found.outside
            entry = Promotion(
                number=self._next,
                kind="outside",
                version=now,
                previous=before,
                who="unknown",
                at=datetime.now(UTC),
                reason="The alias was set by other means than this registry; noticed now.",
                done=False,
            )
            self._finish(entry)
        if found != Settlement():
            self._load()

    def _finish(self, entry: Promotion) -> None:
        """What is left once the alias `champion` is set."""
        self._point_previous(entry.previous)
        if entry.kind != "outside" and entry.version is not None:
            decide(self._client, self._name, entry.version, "promoted", entry.reason, entry.figures, entry.at)
        if entry.kind == "rollback" and entry.previous is not None:
            decide(self._client, self._name, entry.previous, "rolled back", entry.reason, {}, entry.at)
        self._write(replace(entry, done=True))

    def _point_previous(self, version: int | None) -> None:
        there = {int(one.version) for one in every_version(self._client, self._name)}
        if version in there:
            self._client.set_registered_model_alias(self._name, PREVIOUS, str(version))
        else:
            self._client.delete_registered_model_alias(self._name, PREVIOUS)

    def _write(self, entry: Promotion) -> None:
        self._client.set_registered_model_tag(self._name, entry.key, entry.text)


def decide(
    client: Any, name: str, version: int, decision: str, reason: str, figures: Mapping[str, float], at: datetime | None = None
) -> None:
    """Writes on a version what was decided about it, why, and when."""
    said = {
        "decision": decision,
        "decision_reason": reason,
        "decision_figures": json.dumps({key: float(value) for key, value in figures.items()}, sort_keys=True),
        "decided_at": (at or datetime.now(UTC)).isoformat(timespec="seconds"),
    }
    for key, value in said.items():
        client.set_model_version_tag(name, str(version), key, value)
