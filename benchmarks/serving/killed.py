"""What a process did that was killed again and again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.serving.processes import Running

MOST_SECONDS = 3.0
"""Until a killed process is ready again."""


@dataclass(frozen=True, slots=True)
class Killed:
    """One experiment.

    Attributes:
        ready_seconds: after each kill, from the start of the new process until it was ready.
        ready_cpu: of which it computed so many.
        facts: what was counted, by name, for people.
        broken: each promise that did not hold; empty is good.
    """

    what: str
    ready_seconds: list[float]
    ready_cpu: list[float]
    facts: dict[str, str]
    broken: list[str] = field(default_factory=list)

    @staticmethod
    def of(what: str, processes: Sequence[Running], facts: dict[str, str], broken: list[str]) -> Killed:
        """The first process was killed, and so was each after it but the last."""
        again = processes[1:]
        return Killed(what, [one.ready_seconds for one in again], [one.ready_cpu for one in again], facts, broken)

    @property
    def held(self) -> bool:
        return not self.broken and max(self.ready_seconds, default=0.0) <= MOST_SECONDS


def say_killed(what: str, number: int, of: int, again: Running) -> None:
    """Tells of a kill while it goes on."""
    print(f"  {what} killed, {number} of {of}: ready after {again.ready_seconds:.2f} s", file=sys.stderr, flush=True)
