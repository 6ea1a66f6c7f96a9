"""Statistics of a feature group: what its values are, in total and by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fti_assets.vocabulary import Window

PERCENTILES = (5, 25, 50, 75, 95)
EXACT_VALUES = 5_000_000
"""Percentiles and distinct counts of more values than these, over all features, are approximate: they would not fit in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStatistics:
    """What the values of one feature are. Times are instants (UTC), or days; of texts only counts are told.

    Attributes:
        rows: values and nulls.
        not_finite: values that are NaN or infinite; the figures below leave them out.
        distinct: number of different values.
        mean: of truth values the share that is true.
        std: standard deviation of the sample (divided by n - 1), of numbers.
        percentiles: values below which 5, 25, 50, 75 and 95 percent lie, interpolated linearly, by these numbers.
        edges: borders of the bins of the histogram, one more than there are counts; a bin holds its upper border, the first
            one the lower border too.
        counts: of the values in each bin.
        top: the most frequent texts or truth values and how often each comes, the most frequent first.
    """

    name: str
    type: str
    unit: str | None = None
    rows: int
    nulls: int
    not_finite: int = 0
    distinct: int
    mean: Any = None
    std: float | None = None
    minimum: Any = None
    maximum: Any = None
    percentiles: Mapping[int, Any] = field(default_factory=dict)
    edges: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()
    top: tuple[tuple[Any, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayStatistics:
    """One feature on one day; of texts only the nulls are told."""

    day: str
    rows: int
    nulls: int
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    median: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatistics:
    """Statistics of the features of one group.

    Attributes:
        window: of the rows that were read; None for all.
        snapshot: of the lake that they were read from.
        exact: whether percentiles and distinct counts are exact, see `EXACT_VALUES`.
        days: of each feature, its days in order; none unless they were asked for. `low` and `high` are the 5th and 95th
            percentile; times are in seconds since 1970.
    """

    table: str
    window: Window | None
    snapshot: int
    rows: int
    exact: bool
    features: tuple[FeatureStatistics, ...]
    days: Mapping[str, tuple[DayStatistics, ...]] = field(default_factory=dict)
