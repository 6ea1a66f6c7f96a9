"""Skew: whether features as served online are those that training sees for the same request.

The logged rows are completed once more by the point-in-time join, at the time of each request and with what was published by then.
A feature that differs was served wrong. What causes it, the likeliest first:

- a stale online table: it was not materialised after a publication, or materialises too late. Many rows of one group differ, and
  what was served is an older value of the same entity.
- an entity that is missing online: dropped, expired, or never materialised. `missing_online` counts these rows.
- a difference in code: an on-demand transformation that gives something else for one row than for many, another version of it, or
  a value that was converted on its way. Every row differs, most of them by little.
- a table that somebody wrote to: single entities differ.

Not skew, and counted apart: a value that had been replaced at most `lag` before the request (`lagging`), and one that the lake
learned only after it, as events of a stream do (`ahead`). A late correction is none either, since it was known to nobody at the
time of the request; but training will see the corrected value: `corrected` counts the rows of which that is true.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.feature_store import FeatureStore, event_time_column
from fti_assets.monitoring.log_lines import schema
from fti_assets.monitoring.replay import Logged, Mask, replay
from fti_assets.vocabulary import Column, ColumnType, FeatureSelection, FeatureView, SkewMonitor

EXAMPLES = 3
"""Differing rows of a feature that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row of which a feature was not served as training sees it.

    Attributes:
        age: of the value that the join gives, at the request; None where it has no event time.
    """

    request_id: str
    request_time: datetime
    keys: Mapping[str, Any]
    online: Any
    offline: Any
    age: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSkew:
    """How one feature was served, in rows; the attributes are the columns of `SkewMonitor.table`."""

    feature: str
    rows: int
    given: int
    differing: int
    missing_online: int
    only_online: int
    lagging: int
    ahead: int
    corrected: int
    mean_age: float | None
    greatest_age: float | None
    examples: tuple[Example, ...]

    @property
    def share(self) -> float:
        """Share of differing rows, of those compared."""
        return self.differing / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """What a check found.

    Attributes:
        rows: that were compared.
        other_versions: rows among the newest that another version of the view was read for; they are not compared.
        differing: rows of which some feature differs.
        features: in the order of the view.
    """

    checked_at: datetime
    rows: int
    other_versions: int
    differing: int
    first_logged: datetime | None
    last_logged: datetime | None
    features: tuple[FeatureSkew, ...]

    def worst(self) -> list[FeatureSkew]:
        """The features, those of which most differs first."""
        return sorted(self.features, key=lambda one: one.share, reverse=True)

    def broken(self, allowed_share: float) -> list[FeatureSkew]:
        """The features of which more differs than is allowed, the worst first."""
        return [one for one in self.worst() if one.share > allowed_share]


def measure_skew(store: FeatureStore, monitor: SkewMonitor, *, now: datetime) -> Skew:
    """Compares the newest logged rows with the join, see above.

    Raises:
        MissingFeaturesError: a group that the view reads was never published.
    """
    rows, others = _newest(store, monitor)
    logged = Logged.of(monitor.log, rows)
    compared = tuple(_compared(store, monitor, logged, now)) if rows.num_rows else ()
    times = rows["logged_at"].to_pylist()
    differs = np.logical_or.reduce([mask for _, mask in compared]) if compared else np.zeros(0, bool)
    return Skew(
        checked_at=now,
        rows=rows.num_rows,
        other_versions=others,
        differing=int(differs.sum()),
        first_logged=min(times, default=None),
        last_logged=max(times, default=None),
        features=tuple(one for one, _ in compared),
    )


def _newest(store: FeatureStore, monitor: SkewMonitor) -> tuple[pa.Table, int]:
    """The newest logged requests of this version of the view, each once, and how many there were of other versions among them."""
    log = monitor.log
    with store.reading() as connection:
        newest = store.read(connection, log.table).order("logged_at DESC, request_id, role").limit(monitor.sample_rows)
        rows = newest.query("newest", "FROM newest QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY role) = 1")
        table = rows.order("logged_at DESC, request_id").to_arrow_table().cast(schema(log.table))
    own = pc.equal(table["view_version"], log.view.version)
    return table.filter(own), table.num_rows - int(pc.sum(own).as_py() or 0)


def _compared(store: FeatureStore, monitor: SkewMonitor, logged: Logged, now: datetime) -> Iterator[tuple[FeatureSkew, Mask]]:
    """What each feature is, and which rows of it differ."""
    rows, count = logged.rows, logged.rows.num_rows
    at_request = rows["logged_at"].combine_chunks()
    before = pc.subtract(at_request, pa.scalar(monitor.lag, pa.duration("us")))
    today = pa.repeat(pa.scalar(now, at_request.type), count)
    replayed = replay(store, logged.repeated(3), pa.concat_arrays([at_request, before, today]))
    ages = _ages(monitor.log.view, replayed, rows["request_time"].combine_chunks())
    for column in monitor.log.view.feature_columns:
        offline = [replayed[column.name].slice(n * count, count).combine_chunks() for n in range(3)]
        yield _feature(monitor, logged, column, offline, ages.get(column.name))


def _feature(
    monitor: SkewMonitor, logged: Logged, column: Column, offline: Sequence[pa.Array], ages: npt.NDArray[np.float64] | None
) -> tuple[FeatureSkew, Mask]:
    online = logged.rows[column.name].combine_chunks()
    stood, today = offline[0], offline[2]
    given = logged.is_given(column.name)
    same, same_before, same_today = (same_values(online, one, column.type, monitor.tolerance) for one in offline)
    other = ~given & ~same
    differs = other & ~same_before & ~same_today
    nothing, nothing_online = (one.is_null().to_numpy(zero_copy_only=False) for one in (stood, online))
    aged = ages[~given & ~np.isnan(ages)] if ages is not None else np.zeros(0)
    skew = FeatureSkew(
        feature=column.name,
        rows=int((~given).sum()),
        given=int(given.sum()),
        differing=int(differs.sum()),
        missing_online=int((differs & nothing_online).sum()),
        only_online=int((differs & nothing).sum()),
        lagging=int((other & same_before).sum()),
        ahead=int((other & ~same_before & same_today).sum()),
        corrected=int((~given & ~same_values(stood, today, column.type, monitor.tolerance)).sum()),
        mean_age=float(aged.mean()) if len(aged) else None,
        greatest_age=float(aged.max()) if len(aged) else None,
        examples=tuple(_example(logged, int(n), online, stood, ages) for n in np.flatnonzero(differs)[:EXAMPLES]),
    )
    return skew, differs


def _example(logged: Logged, row: int, online: pa.Array, offline: pa.Array, ages: npt.NDArray[np.float64] | None) -> Example:
    said = logged.rows.slice(row, 1).to_pylist()[0]
    return Example(
        request_id=said["request_id"],
        request_time=said["request_time"],
        keys={name: said[name] for name in logged.log.view.spine.entity.key_names},
        online=online[row].as_py(),
        offline=offline[row].as_py(),
        age=None if ages is None or np.isnan(ages[row]) else float(ages[row]),
    )


def same_values(one: pa.Array, other: pa.Array, kind: ColumnType, tolerance: float) -> Mask:
    """For each row whether two values are the same: nulls are, so are NaNs, and floats up to the relative tolerance."""
    if kind == "float":
        a, b = (array.cast(pa.float64()).to_numpy(zero_copy_only=False) for array in (one, other))
        return _close(a, b, tolerance)
    equal = pc.fill_null(pc.equal(one, other.cast(one.type)), fill_value=False)
    return np.asarray(pc.or_(equal, pc.and_(one.is_null(), other.is_null())))


def _close(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], tolerance: float) -> Mask:
    with np.errstate(invalid="ignore"):
        near = np.abs(one - other) <= tolerance * np.maximum(np.abs(one), np.abs(other))
    near &= np.isfinite(one) & np.isfinite(other)  # infinite ones are near to everything
    same: Mask = (one == other) | near | (np.isnan(one) & np.isnan(other))
    return same


def _ages(view: FeatureView, replayed: pa.Table, asked: pa.Array) -> dict[str, npt.NDArray[np.float64]]:
    """For each joined feature how old its value was at each request, in seconds; NaN where there was none."""
    found = {}
    for selection in view.joined:
        if isinstance(selection, FeatureSelection) and selection.group.event_time:
            times = replayed[event_time_column(selection.group, selection.prefix)].slice(0, len(asked)).combine_chunks()
            micros = pc.cast(pc.subtract(asked, times.cast(asked.type)), pa.int64())
            seconds = pc.divide(pc.cast(micros, pa.float64()), 1e6).to_numpy(zero_copy_only=False)
            found.update(dict.fromkeys(selection.output_names, seconds))
    return found


def as_rows(monitor: SkewMonitor, skew: Skew, run: str) -> pa.Table:
    """What was found as rows of the monitor's table, one for each feature."""
    about = {"checked_at": skew.checked_at, "first_logged": skew.first_logged, "last_logged": skew.last_logged, "run": run}
    names = [column.name for column in monitor.table.columns if column.name not in (*about, "examples")]
    rows = [{**about, **{name: getattr(one, name) for name in names}, "examples": _as_json(one.examples)} for one in skew.features]
    return pa.Table.from_pylist(rows, schema=schema(monitor.table))


def _as_json(examples: Sequence[Example]) -> str:
    shown = [{name: getattr(one, name) for name in Example.__dataclass_fields__} for one in examples]
    return json.dumps(shown, default=str)
