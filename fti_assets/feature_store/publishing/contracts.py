"""Contracts as plain data: what a table promises, and what a changed definition would mean for those who read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from fti_assets.vocabulary import (
    Column,
    Expectation,
    FeatureGroup,
    InferenceLog,
    Monitor,
    OnlineMonitor,
    Predictions,
    SkewMonitor,
    StagedTable,
    Table,
)

Stored = FeatureGroup | StagedTable | Predictions | Monitor | InferenceLog | SkewMonitor | OnlineMonitor
Contract = Mapping[str, Any]
"""What `describe` gives: values that JSON can hold."""


def describe(target: Stored) -> dict[str, Any]:
    """The contract of a table as plain data; it is stored with the table, so that readers need no code."""
    contract, cadence = target.contract, target.table.cadence
    return {
        **describe_table(target.table, target.description),
        "owner": contract.owner,
        "timezone": cadence.timezone if cadence else None,
        "cadence": asdict(cadence) if cadence else None,
        "expectations": [_expectation(expectation) for expectation in contract.expectations],
        "fresh_within": str(contract.fresh_within) if contract.fresh_within else None,
        "fresh_within_microseconds": _microseconds(contract.fresh_within),
        **_own(target),
    }


def describe_table(table: Table, description: str) -> dict[str, Any]:
    """What is said of a table that has no contract either, such as a history."""
    return {
        "description": description,
        "key": list(table.key),
        "time": table.time,
        "columns": [_column(column) for column in table.columns],
    }


def _own(target: Stored) -> dict[str, Any]:
    """What only a target of that kind promises."""
    if isinstance(target, FeatureGroup):
        return {
            "group": target.name,
            "version": target.version,
            "entity": target.entity.name,
            "entity_keys": list(target.entity.key_names),
            "features": list(target.feature_names),
            "event_time": target.event_time,
            "window_time": target.window_time,
            "ttl": str(target.ttl) if target.ttl else None,
            "ttl_microseconds": _microseconds(target.ttl),
            "online": target.online,
            "tags": list(target.tags),
            "deprecated": asdict(target.deprecated) if target.deprecated else None,
        }
    if isinstance(target, Predictions):
        return {"model": target.model.name, "view": target.model.view.versioned_name}
    return {"predictions": target.predictions.name} if isinstance(target, Monitor) else {}


def _column(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "description": column.description, "unit": column.unit}


def _expectation(expectation: Expectation) -> dict[str, Any]:
    return {
        "name": expectation.name,
        "says": expectation.sentence,
        "severity": expectation.severity,
        "kind": expectation.kind,
        "columns": list(expectation.columns),
        "arguments": {name: list(value) if isinstance(value, tuple) else value for name, value in expectation.arguments},
        "mostly": expectation.mostly,
    }


def _microseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts of a table.

    Attributes:
        what: of what (`type of 'temp_f'`, `ttl`).
        old: as it was; None where there was nothing.
        new: as it is, likewise.
        compatible: whether those who read the table by the old contract may go on as they are.
    """

    what: str
    old: Any
    new: Any
    compatible: bool

    def __str__(self) -> str:
        if self.old is None or self.new is None:
            return f"{self.what}: {'added' if self.old is None else 'removed'} ({self.new if self.old is None else self.old})"
        return f"{self.what}: {self.old} -> {self.new}"


def compare(old: Contract, new: Contract) -> tuple[Change, ...]:
    """The differences between two contracts of one table, those that its readers cannot go on with first.

    Features may be added, and what is said about them may change; a calendar may become longer. What is there already keeps
    its name, type, unit, key, times, ttl and time zone, since a reader relies on them without asking again.
    """
    found = [*_meaning(old, new), *_calendar(old.get("cadence"), new.get("cadence")), *_columns(old, new), *_said(old, new)]
    return tuple(sorted(found, key=lambda change: change.compatible))


_MEANING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "entity": ("entity", str),
    "entity_keys": ("entity keys", ", ".join),
    "key": ("key", ", ".join),
    "event_time": ("event time", str),
    "time": ("window time", str),
    "ttl_microseconds": ("ttl", lambda microseconds: str(timedelta(microseconds=microseconds))),
    "model": ("model", str),
    "predictions": ("predictions", str),
}
"""What may not change, by its name in the contract: how it is called, and how its value is shown."""


def _meaning(old: Contract, new: Contract) -> Iterator[Change]:
    for name, (what, shown) in _MEANING.items():
        if name in old and old[name] != new.get(name):  # one that is not in the old contract was not known yet
            before, after = (None if said.get(name) is None else shown(said[name]) for said in (old, new))
            yield Change(what, before, after, compatible=False)


def _calendar(old: Contract | None, new: Contract | None) -> Iterator[Change]:
    if old is None or new is None:
        return  # then the window time says so
    if old["timezone"] != new["timezone"]:
        yield Change("time zone of the calendar", old["timezone"], new["timezone"], compatible=False)
    if old["start"] != new["start"]:
        yield Change("start of the calendar", old["start"], new["start"], compatible=new["start"] < old["start"])
    if old["end"] != new["end"]:
        before, after = (said["end"] or "open" for said in (old, new))  # as a text, "open" is after every date
        yield Change("end of the calendar", before, after, compatible=after > before)


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({column["name"]: column for column in said["columns"]} for said in (old, new))
    for name in [*before, *(name for name in after if name not in before)]:
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield Change(f"column '{name}'", one and _kind(one), other and _kind(other), compatible=one is None)
            continue
        for what, compatible in (("type", False), ("unit", False), ("description", True)):
            if one[what] != other[what]:
                yield Change(f"{what} of '{name}'", one[what] or None, other[what] or None, compatible)
    for name in old.get("features", ()):
        if name in after and name not in new.get("features", ()):
            yield Change(f"feature '{name}'", _kind(before[name]), None, compatible=False)


def _kind(column: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, [column["type"], column["unit"]]))


def _said(old: Contract, new: Contract) -> Iterator[Change]:
    """What is said about the table, and may change without changing what its rows mean."""
    for name in ("description", "owner", "tags", "deprecated", "online", "view", "fresh_within"):
        before, after = (said.get(name) if said.get(name) not in ("", []) else None for said in (old, new))
        if before != after:
            yield Change(name.replace("_", " "), before, after, compatible=True)
    promised, promises = ({promise["name"]: promise for promise in said.get("expectations", ())} for said in (old, new))
    for name in dict.fromkeys([*promised, *promises]):
        if promised.get(name) != promises.get(name):
            before, after = (_promise(said[name]) if name in said else None for said in (promised, promises))
            yield Change(f"expectation '{name}'", before, after, compatible=True)


def _promise(expectation: Mapping[str, Any]) -> str:
    return f"{expectation['says']} ({expectation['severity']})"
