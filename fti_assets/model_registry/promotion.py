"""The log of promotions of a model, and what follows from it: pure functions on what the registry holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

KEY = "promotion."
"""How the tags of a registered model begin that are entries of its log: `promotion.0007`."""
LONGEST = 5000
"""Characters that the value of such a tag may have in every database."""

Kind = Literal["promotion", "rollback", "outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of a model's champion.

    Attributes:
        number: counts the changes of a model from 1.
        kind: `promotion`; `rollback`, which makes the champion before the last change champion again; or `outside`, found out
            afterwards: somebody set the alias by other means.
        version: the champion since then; None where there is none.
        previous: the champion until then.
        who: `$FTI_USER`, or user@host.
        at: UTC.
        figures: that spoke for it, by name.
        run: the Dagster run that did it, if one did.
        done: False while the change is being made. It counts once the alias is set.
    """

    number: int
    kind: Kind
    version: int | None
    previous: int | None
    who: str
    at: datetime
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)
    run: str | None = None
    done: bool = True

    @property
    def key(self) -> str:
        return f"{KEY}{self.number:04}"

    @property
    def text(self) -> str:
        """As the value of a tag; a reason that is too long is cut."""
        said = self._text(self.reason)
        over = len(said) - LONGEST
        return said if over <= 0 else self._text(f"{self.reason[: max(0, len(self.reason) - over - 20)]} [...]")

    def _text(self, reason: str) -> str:
        said = {
            "number": self.number,
            "kind": self.kind,
            "version": self.version,
            "previous": self.previous,
            "who": self.who,
            "at": self.at.isoformat(timespec="seconds"),
            "reason": reason,
            "figures": {name: float(value) for name, value in self.figures.items()},
            "run": self.run,
            "done": self.done,
        }
        return json.dumps(said, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Promotion:
        """What `text` wrote."""
        said = json.loads(text)
        return cls(**{**said, "at": datetime.fromisoformat(said["at"])})


def read_log(tags: Mapping[str, str]) -> tuple[Promotion, ...]:
    """The entries among the tags of a registered model, the oldest first."""
    found = (Promotion.read(text) for key, text in tags.items() if key.startswith(KEY))
    return tuple(sorted(found, key=lambda entry: entry.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a change that was broken off, or made by other means, left to be done.

    Attributes:
        finish: its alias was set, so it counts; the rest of it is to be written.
        drop: its alias was never set, so it did not happen.
        outside: the alias was set by other means: from the champion of the log to the present one.
    """

    finish: Promotion | None = None
    drop: Promotion | None = None
    outside: tuple[int | None, int | None] | None = None


def settlement(log: Sequence[Promotion], champion: int | None) -> Settlement:
    """What is to be done so that the log and the alias `champion` agree."""
    last = log[-1] if log else None
    if last is not None and not last.done and champion == last.version:
        return Settlement(finish=last)
    drop = last if last is not None and not last.done else None
    rest = log[:-1] if drop else log
    if rest and rest[-1].version != champion:
        return Settlement(drop=drop, outside=(rest[-1].version, champion))
    return Settlement(drop=drop)


def standing(log: Sequence[Promotion], aliases: Mapping[str, int]) -> dict[str, int]:
    """The aliases as they are to be read: of a change that counts but is being finished, `previous` is the log's."""
    settled = settlement(log, aliases.get("champion")).finish
    if settled is None:
        return dict(aliases)
    rest = {alias: version for alias, version in aliases.items() if alias != "previous"}
    return rest if settled.previous is None else {**rest, "previous": settled.previous}


def counted(log: Sequence[Promotion], champion: int | None) -> list[Promotion]:
    """The entries that happened, the newest first."""
    dropped = settlement(log, champion).drop
    return [replace(entry, done=True) for entry in reversed(log) if entry != dropped]
