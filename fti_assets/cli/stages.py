"""The main job of a system: which jobs of the workspace run, in which order, for which days. Decides only; `run` does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary import Daily, checked_name

if TYPE_CHECKING:
    from fti_assets.feature_store import Manifest

WHOLE = "_whole"
DATASETS = "training_datasets"


class Part(StrEnum):
    """The parts of a system; each has a job `SYSTEM_PART` and, for tables without partitions, `SYSTEM_PART_whole`."""

    COLLECTION = "collection"
    FEATURES = "features"
    TRAINING = "training"
    INFERENCE = "inference"
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class Stage:
    """One job of the main job. It runs for partitions unless `is_whole`."""

    part: Part
    job: str

    @property
    def is_whole(self) -> bool:
        return self.job.endswith(WHOLE)

    @property
    def title(self) -> str:
        return f"{self.part} (reference)" if self.is_whole else str(self.part)


@dataclass(frozen=True, slots=True)
class Days:
    """First and last day, both inclusive."""

    first: str
    last: str

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def systems(jobs: Iterable[str]) -> list[str]:
    """The systems that have a job named by the convention."""
    names = [job.removesuffix(WHOLE) for job in jobs]
    return sorted({name.removesuffix(f"_{part}") for name in names for part in Part if name.endswith(f"_{part}")})


def plan(system: str, jobs: Iterable[str], only: Part | None = None) -> list[Stage]:
    """The stages of a system in their order: those that the workspace has, of one part where `only` names it.

    Raises:
        NotFoundError: the workspace has no such system, or the system no such part.
    """
    existing, known = set(jobs), systems(jobs)
    if checked_name(system, "A system") not in known:
        step = None if known else "A system is there when the workspace has jobs named SYSTEM_features, SYSTEM_training, ..."
        raise not_found("System", system, known, where="the workspace", next_step=step)
    every = [Stage(part, f"{system}_{part}{suffix}") for part in Part for suffix in (WHOLE, "")]
    made = [stage for stage in every if stage.job in existing]
    chosen = [stage for stage in made if only in (None, stage.part)]
    if not chosen:
        raise not_found("Part", str(only), {str(stage.part) for stage in made}, where=f"system '{system}'")
    return chosen


def checked_days(calendar: Daily, first: str | None, last: str | None, *, what: str = "") -> Days:
    """The days asked for, the whole calendar by default.

    Args:
        calendar: whose days they must be.
        first: first day.
        last: last day, inclusive.
        what: prefix of the options, for the error.

    Raises:
        DefinitionError: they are not in the calendar, or not in order.
    """
    every = calendar.keys(calendar.span())
    days = Days(first or every[0], last or every[-1])
    if not (calendar.holds(days.first) and calendar.holds(days.last)) or calendar.day(days.last) < calendar.day(days.first):
        raise DefinitionError(
            f"The days {days} cannot be run: there are {every[0]} to {every[-1]}.",
            next_step=f"Give --{what}first and --{what}last among them, in this order.",
        )
    return days


def days_of_test(manifest: Manifest, timezone: str) -> Days:
    """The calendar days of the test split of a training dataset."""
    start, end = (datetime.fromisoformat(instant) for instant in manifest.splits["test"])
    zone = ZoneInfo(timezone)
    last = end - timedelta(microseconds=1)
    return Days(f"{start.astimezone(zone):%Y-%m-%d}", f"{last.astimezone(zone):%Y-%m-%d}")


def cutoff_of(cutoff: str | None, last: str | None) -> str | None:
    """The cut-off asked for, checked; the day after the last one that was run, if one was named."""
    if cutoff:
        return Daily.day(cutoff).isoformat()
    return (Daily.day(last) + timedelta(days=1)).isoformat() if last else None


def cutoff_config(datasets: Iterable[str], cutoff: str | None) -> Mapping[str, object]:
    """Run configuration that gives the cut-off to each training dataset."""
    if cutoff is None:
        return {}
    return {"ops": {f"{DATASETS}__{name}": {"config": {"cutoff": cutoff}} for name in datasets}}
