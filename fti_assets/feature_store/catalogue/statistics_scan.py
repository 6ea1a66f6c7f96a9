"""How statistics are computed: two scans tell the figures of all features, one more those of the days.

The most frequent words of a text are counted by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.catalogue.statistics import (
    EXACT_VALUES,
    PERCENTILES,
    DayStatistics,
    FeatureStatistics,
    GroupStatistics,
)
from fti_assets.feature_store.lake.lake import current_snapshot, within
from fti_assets.vocabulary import Window, quoted

BINS = 20
TOP = 10

_HUGE = 1e100
_WHOLE = 2**52
"""Up to here a float can stand between two whole numbers."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Feature:
    """A column to be described, and the SQL of its values as numbers; None for texts."""

    name: str
    type: str
    unit: str | None

    @property
    def sql(self) -> str:
        return quoted(self.name)

    @property
    def number(self) -> str | None:
        numbers = {
            "float": f"CASE WHEN isfinite({self.sql}) THEN {self.sql} END",
            "int": f"{self.sql}::DOUBLE",
            "bool": f"{self.sql}::INTEGER::DOUBLE",
            "timestamp": f"CASE WHEN isfinite({self.sql}) THEN epoch({self.sql}) END",
            "date": f"CASE WHEN isfinite({self.sql}) THEN epoch({self.sql}) END",
        }
        return numbers.get(self.type)

    @property
    def is_time(self) -> bool:
        return self.type in ("timestamp", "date")

    def value(self, number: float | None) -> Any:
        """A number as a value of the column's type."""
        if number is None or not self.is_time:
            return number
        instant = _EPOCH + timedelta(seconds=number)
        return instant.date() if self.type == "date" else instant


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What the first scan finds of one feature."""

    values: int
    finite: int
    low: float | None
    high: float | None
    distinct: int
    percentiles: Sequence[float] | None

    @property
    def span(self) -> float | None:
        """Distance of the largest from the smallest value; None where there is none, or no float can hold it."""
        span = math.inf if self.low is None or self.high is None else self.high - self.low
        return span if math.isfinite(span) else None


def statistics(
    connection: DuckDBPyConnection,
    table: str,
    description: Mapping[str, Any],
    window: Window | None,
    *,
    by_day: bool = False,
    exact_values: int = EXACT_VALUES,
) -> GroupStatistics:
    """Describes the features of a group.

    Args:
        connection: of the lake.
        table: name of the group's table in the schema `features`.
        description: the group's contract as the lake keeps it.
        window: of the rows to read; None for all.
        by_day: whether each day of the group's calendar is described as well.
        exact_values: see `EXACT_VALUES`.
    """
    types = {column["name"]: column for column in description["columns"]}
    features = [_Feature(name, types[name]["type"], types[name].get("unit")) for name in description["features"]]
    where = within(description["time"], window) if window and description["time"] else "true"
    source = f"FROM lake.features.{quoted(table)} WHERE {where}"
    rows = _row(connection, f"SELECT count(*) {source}")[0]
    exact = rows * len(features) <= exact_values
    bounds = _bounds(connection, source, features, exact=exact)
    described = tuple(_shapes(connection, source, features, bounds, rows))
    days = _days(connection, source, features, bounds, description, exact=exact) if by_day and description["time"] else {}
    snapshot = current_snapshot(connection)
    return GroupStatistics(table=table, window=window, snapshot=snapshot, rows=rows, exact=exact, features=described, days=days)


def _bounds(connection: DuckDBPyConnection, source: str, features: Sequence[_Feature], *, exact: bool) -> list[_Bounds]:
    """The first scan: counts, bounds and percentiles."""
    selected = []
    for feature in features:
        number, sql = feature.number, feature.sql
        distinct = f"count(DISTINCT {sql})" if exact else f"approx_count_distinct({sql})"
        bounded = sql if feature.type == "int" else number  # whole numbers are kept as they are
        numbers = f"count({number}), min({bounded}), max({bounded})" if number else f"count({sql}), NULL, NULL"
        percentiles = _percentiles(number, PERCENTILES, exact=exact) if number else "NULL"
        selected.append(f"count({sql}), {numbers}, {distinct}, {percentiles}")
    found = _row(connection, f"SELECT {', '.join(selected)} {source}")
    return [_Bounds(*found[n : n + 6]) for n in range(0, len(found), 6)]


def _percentiles(number: str, which: Sequence[int], *, exact: bool) -> str:
    shares = f"[{', '.join(str(percent / 100) for percent in which)}]"
    return f"quantile_cont({number}, {shares})" if exact else f"approx_quantile({number}, {shares})"


def _shapes(
    connection: DuckDBPyConnection, source: str, features: Sequence[_Feature], bounds: Sequence[_Bounds], rows: int
) -> list[FeatureStatistics]:
    """The second scan: moments and histograms, for which the bounds must be known."""
    edges = [_edges(feature, bound) for feature, bound in zip(features, bounds, strict=True)]
    selected = [
        f"{_moments(feature.number, bound)}, {f'histogram({feature.number}, ?::DOUBLE[])' if borders else 'NULL'}"
        for feature, bound, borders in zip(features, bounds, edges, strict=True)
    ]
    bound_edges = [list(borders[1:]) for borders in edges if borders]
    _, *found = _row(connection, f"SELECT count(*), {', '.join(selected)} {source}", bound_edges)
    parts = [found[n : n + 3] for n in range(0, len(found), 3)]
    top = [_top(connection, source, feature) for feature in features]
    return [_described(*one, rows) for one in zip(features, bounds, edges, parts, top, strict=True)]


def _top(connection: DuckDBPyConnection, source: str, feature: _Feature) -> tuple[tuple[Any, int], ...]:
    if feature.type not in ("string", "bool"):
        return ()
    rows = connection.execute(
        f"SELECT {feature.sql}, count(*) {source} AND {feature.sql} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP}"
    )
    return tuple((value, count) for value, count in rows.fetchall())


def _moments(number: str | None, bound: _Bounds) -> str:
    """Mean and standard deviation; of huge values from their distance to the smallest one, so that no square overflows."""
    if number is None or bound.low is None or bound.high is None or bound.span is None:
        return "NULL, NULL"
    if not bound.span:
        return f"CASE WHEN count({number}) > 0 THEN {bound.low!r}::DOUBLE END, CASE WHEN count({number}) > 1 THEN 0::DOUBLE END"
    if max(abs(bound.low), abs(bound.high)) < _HUGE:
        return f"avg({number}), stddev_samp({number})"
    part = f"({number} - {bound.low!r}) / {bound.span!r}"
    return f"{bound.low!r} + avg({part}) * {bound.span!r}, stddev_samp({part}) * {bound.span!r}"


def _edges(feature: _Feature, bound: _Bounds) -> tuple[float, ...]:
    """Borders of the bins: of equal width, and halfway between whole numbers where the values are such."""
    if bound.low is None or bound.high is None or bound.span is None or feature.type == "bool":
        return ()
    if feature.type == "int" and max(abs(bound.low), abs(bound.high)) < _WHOLE:
        width = math.ceil((bound.span + 1) / BINS)
        bins = math.ceil((bound.span + 1) / width)
        return tuple(bound.low - 0.5 + width * n for n in range(bins + 1))
    borders = tuple(dict.fromkeys([*(float(bound.low + bound.span * n / BINS) for n in range(BINS)), float(bound.high)]))
    return borders if len(borders) > 1 else borders * 2


def _described(
    feature: _Feature,
    bound: _Bounds,
    edges: Sequence[float],
    found: Sequence[Any],
    top: tuple[tuple[Any, int], ...],
    rows: int,
) -> FeatureStatistics:
    mean, std, histogram = found
    told = feature.type != "bool"
    return FeatureStatistics(
        name=feature.name,
        type=feature.type,
        unit=feature.unit,
        rows=rows,
        nulls=rows - bound.values,
        not_finite=bound.values - bound.finite,
        distinct=bound.distinct,
        mean=feature.value(mean),
        std=None if feature.is_time else std,
        minimum=feature.value(bound.low) if told else None,
        maximum=feature.value(bound.high) if told else None,
        percentiles=dict(zip(PERCENTILES, map(feature.value, bound.percentiles or ()), strict=False)) if told else {},
        edges=tuple(map(feature.value, edges)),
        counts=tuple((histogram or {}).get(edge, 0) for edge in edges[1:]),
        top=top,
    )


def _days(
    connection: DuckDBPyConnection,
    source: str,
    features: Sequence[_Feature],
    bounds: Sequence[_Bounds],
    description: Mapping[str, Any],
    *,
    exact: bool,
) -> dict[str, tuple[DayStatistics, ...]]:
    selected = []
    for feature, bound in zip(features, bounds, strict=True):
        percentiles = _percentiles(feature.number, (5, 50, 95), exact=exact) if feature.number else "NULL"
        selected.append(f"count(*) - count({feature.sql}), {_moments(feature.number, bound)}, {percentiles}")
    day = f"strftime(timezone(?, {quoted(description['time'])}), '%Y-%m-%d')"
    found = connection.execute(
        f"-- one row per day\nSELECT {day} AS day, count(*), {', '.join(selected)} {source} GROUP BY day ORDER BY day",
        [description.get("timezone") or "UTC"],
    ).fetchall()
    return {
        feature.name: tuple(_day(row[0], row[1], *row[2 + 4 * n : 6 + 4 * n]) for row in found)
        for n, feature in enumerate(features)
    }


def _day(
    day: str, rows: int, nulls: int, mean: float | None, std: float | None, percentiles: Sequence[float] | None
) -> DayStatistics:
    low, median, high = percentiles or (None, None, None)
    return DayStatistics(day=day, rows=rows, nulls=nulls, mean=mean, std=std, low=low, median=median, high=high)


def _row(connection: DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()
    assert row is not None  # an aggregate over all rows
    return tuple(row)
