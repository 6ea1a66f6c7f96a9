"""What can be wrong with a delivery."""

from __future__ import annotations

from collections.abc import Sequence

from fti_assets.errors import FtiError

SHOWN = 5
"""How many problems a message spells out."""


class LandingError(FtiError):
    """A delivery is missing, incomplete or malformed.

    Attributes:
        problems: every problem found, each one sentence that names the file.
    """

    def __init__(self, problems: Sequence[str], *, next_step: str) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [f"{count} problems in what was delivered:", *(f"  {problem}" for problem in self.problems[:SHOWN])]
        lines += [f"  and {count - SHOWN} more, {count} in all."] if count > SHOWN else []
        super().__init__(f"{self.problems[0]} {next_step}" if count == 1 else "\n".join([*lines, next_step]))
        self.next_step = next_step
