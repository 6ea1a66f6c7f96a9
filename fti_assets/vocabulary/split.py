"""How the rows of a training dataset are divided into those that train, those that validate and those that test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.window import Daily, Window

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Splits by time, counted in days back from the cut-off: the last days test, those before validate, the rest trains."""

    validation_days: int
    test_days: int

    def __post_init__(self) -> None:
        if self.validation_days < 1 or self.test_days < 1:
            raise DefinitionError("A time split needs at least one day of validation and one of test.")

    def windows(self, calendar: Daily, cutoff: date) -> dict[SplitName, Window]:
        """The window of each split for rows before the day `cutoff`, in the calendar's time zone.

        Raises:
            DefinitionError: no day is left to train on.
        """
        test = cutoff - timedelta(days=self.test_days)
        validation = test - timedelta(days=self.validation_days)
        start = calendar.day(calendar.start)
        if validation <= start:
            raise DefinitionError(
                f"With {self.test_days} days of test and {self.validation_days} of validation before {cutoff}, none is left"
                f" to train on: the data begins on {start}.",
                next_step="Choose a later cut-off or shorter splits.",
            )
        borders = [calendar.midnight(day) for day in (start, validation, test, cutoff)]
        return {name: Window(borders[n], borders[n + 1]) for n, name in enumerate(SPLITS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSplit:
    """Splits at random: a hash of each row's key and the seed decides, so that neither order nor number of rows matters.

    Attributes:
        validation_share: expected share of rows that validate, of those before the cut-off.
        test_share: expected share of rows that test.
        seed: another one gives another division.
        by: columns of the spine whose rows stay together, such as a customer's; each row is on its own, by its key, when empty.
    """

    validation_share: float
    test_share: float
    seed: int = 0
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.validation_share, self.test_share) <= 0 or self.validation_share + self.test_share >= 1:
            raise DefinitionError(
                f"A random split needs shares above 0 that leave rows to train on: validation {self.validation_share:g},"
                f" test {self.test_share:g}."
            )

    def windows(self, calendar: Daily, cutoff: date) -> dict[SplitName, Window]:
        """The same window for each split: all days before `cutoff`.

        Raises:
            DefinitionError: there is none.
        """
        start = calendar.day(calendar.start)
        if cutoff <= start:
            raise DefinitionError(f"No day lies before the cut-off {cutoff}: the data begins on {start}.")
        return dict.fromkeys(SPLITS, Window(calendar.midnight(start), calendar.midnight(cutoff)))

    def share(self, name: SplitName) -> tuple[float, float]:
        """From where, and until where, in [0, 1) the hash of a row lies that belongs to a split."""
        train = 1 - self.validation_share - self.test_share
        return {"train": (0.0, train), "validation": (train, 1 - self.test_share), "test": (1 - self.test_share, 1.0)}[name]


Split = TimeSplit | RandomSplit
