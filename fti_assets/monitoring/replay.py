"""Logged requests completed once more, from the lake: the features that each row would have in training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring.log_lines import ARROW
from fti_assets.vocabulary import FeatureView, InferenceLog, spine_columns
from fti_assets.vocabulary.arrays import as_array, as_values
from fti_assets.vocabulary.on_demand import REQUEST_TIME, OnDemand

Mask = npt.NDArray[np.bool_]
AT, KNOWN_AT = "_request_time", "_known_at"
"""Columns of the spine that is completed. No column of a table can have such a name."""
_FOUND = "found_"


@dataclass(frozen=True, slots=True)
class Logged:
    """Rows of an inference log.

    Attributes:
        rows: with the columns of the log's table.
        given: for each row the names of the columns that came with the request.
    """

    log: InferenceLog
    rows: pa.Table
    given: tuple[frozenset[str], ...]

    @staticmethod
    def of(log: InferenceLog, rows: pa.Table) -> Logged:
        return Logged(log, rows, tuple(map(_names, rows["given"].to_pylist())))

    def is_given(self, name: str) -> Mask:
        """For each row whether a column came with the request."""
        return np.fromiter((name in names for names in self.given), bool, len(self.given))

    def repeated(self, times: int) -> Logged:
        """The rows several times, one after the other."""
        return Logged(self.log, pa.concat_tables([self.rows] * times), self.given * times)


@lru_cache(10_000)
def _names(text: str | None) -> frozenset[str]:
    return frozenset(json.loads(text)) if text else frozenset()


def replay(store: FeatureStore, logged: Logged, known_at: pa.Array) -> pa.Table:
    """Completes logged rows by the point-in-time join at the time of their request.

    What came with a request is taken from the log; the rest of the spine's columns are looked up in the spine's group, at the time
    of the request too. On-demand features are computed from all of that.

    Args:
        store: with the feature groups.
        logged: rows of the log.
        known_at: for each row when values had to be published to be seen.

    Returns:
        The features of the view, in its order, and the event times of joined values (see `event_time_column`).
    """
    view = logged.log.view
    spine = _spine(store, logged, known_at)
    completed = spine
    if view.joined:
        completed = store.get_features(view.joined, spine, at=AT, known_at=KNOWN_AT, event_times=True).to_arrow()
    columns = {name: _kept(logged, name, completed[name]) for name in completed.column_names}
    for one in view.on_demand:
        columns[one.name] = _kept(logged, one.name, _computed(one, columns, view))
    times = [name for name in completed.column_names if name not in spine.column_names and name not in view.feature_names]
    return pa.table({name: columns[name] for name in (*view.feature_names, *times)})


def _kept(logged: Logged, name: str, values: Any) -> pa.Array:
    """The values, but those of the log where they came with the request."""
    given = logged.is_given(name)
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if not given.any():
        return whole
    return pc.if_else(pa.array(given), logged.rows[name].combine_chunks().cast(whole.type), whole)


def _spine(store: FeatureStore, logged: Logged, known_at: pa.Array) -> pa.Table:
    """The rows to be completed: entity keys as logged, other columns of the spine as given or as they stood in its group."""
    group = logged.log.view.spine
    keys = list(group.entity.key_names)
    times = {AT: logged.rows["request_time"], KNOWN_AT: known_at}
    rows = pa.table({**{name: logged.rows[name] for name in keys}, **times})
    others = [column.name for column in spine_columns(logged.log.view) if column.name not in keys]
    if not others:
        return rows
    chosen = group[tuple(others)].prefixed(_FOUND)
    found = store.get_features([chosen], rows, at=AT, known_at=KNOWN_AT).to_arrow()
    kinds = {name: ARROW[group.table.column(name).type] for name in others}
    looked_up = {name: _kept(logged, name, found[f"{_FOUND}{name}"].cast(kind)) for name, kind in kinds.items()}
    return pa.table({**{name: rows[name] for name in keys}, **looked_up, **times})


def _computed(one: OnDemand, columns: dict[str, pa.Array], view: FeatureView) -> pa.Array:
    """An on-demand feature of rows whose other columns are there."""
    times = (REQUEST_TIME, view.at)
    inputs = {name: as_array(columns[AT if name in times else name].to_pylist(), view.readable[name].type) for name in one.reads}
    return pa.array(as_values(one.compute(inputs), one.result.type), ARROW[one.result.type])
