"""What a process did that was killed again and again."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_SECONDS = 3.0
"""Until a killed process is ready again."""


@dataclass(frozen=True, slots=True)
class Killed:
    """One experiment.

    Attributes:
        ready_seconds: after each kill, from the start of the new process until it was ready.
        facts: what was counted, by name, for people.
        broken: each promise that did not hold; empty is good.
    """

    what: str
    ready_seconds: list[float]
    facts: dict[str, str]
    broken: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.broken and max(self.ready_seconds, default=0.0) <= MOST_SECONDS
