"""On-demand features of completed rows: computed from the spine's columns and from what was joined, by the view's functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.vocabulary import REQUEST_TIME, Array, ColumnType, FeatureView, OnDemand, OnDemandError, as_values

_ALONE = 8
"""Rows of a slice that are computed again by themselves."""

_RESULTS: dict[ColumnType, pa.DataType] = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


@dataclass(frozen=True, slots=True)
class OnDemandColumns:
    """What is computed after a join.

    Attributes:
        steps: in their order; each may read what those before it gave.
        kinds: types of what they read, by name.
        own: those of the names that are columns of the spine.
        at: the spine's column that is the time of the row.
    """

    steps: tuple[OnDemand, ...]
    kinds: Mapping[str, ColumnType]
    own: frozenset[str]
    at: str

    @staticmethod
    def of(view: FeatureView, at: str) -> OnDemandColumns:
        """The on-demand features of a view, for rows with their time in the column `at`."""
        read = {name for one in view.on_demand for name in one.reads}
        own = {column.name for column in view.spine.table.columns}
        kinds = {name: column.type for name, column in view.readable.items() if name in read}
        return OnDemandColumns(view.on_demand, kinds, frozenset(own & read - {REQUEST_TIME}), at)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.steps)

    def check(self, head: Spine) -> None:
        """Sees that the spine has what is read of it, and that the functions are there.

        Raises:
            NotFoundError: the spine lacks a column.
            DefinitionError: a column has another type.
            OnDemandError: a function is gone, or is another one than the view was defined with.
        """
        for one in self.steps:
            _ = one.function
        self._of_spine(head)

    def appended(self, rows: Spine, joined: pa.Table) -> pa.Table:
        """The joined values of some rows with the computed ones behind them.

        Raises:
            OnDemandError: a function fails, or looks at other rows than the one that it is computed for.
        """
        columns = self._of_spine(rows)
        for name in self.kinds:
            if name in joined.column_names:
                columns[name] = as_array_of(joined.column(name), self.kinds[name])
        added = dict(zip(joined.column_names, joined.columns, strict=True))
        for one in self.steps:
            columns[one.name] = one.compute(columns)
            _check_alone(one, columns)
            added[one.name] = _arrow(columns[one.name], one.result.type)
        return pa.table(added)

    def _of_spine(self, rows: Spine) -> dict[str, Array]:
        columns = {}
        for one in self.steps:
            for name in one.reads:
                if name in self.own and name not in columns:
                    values = rows.typed(name, self.kinds[name], f"on-demand feature '{one.name}' reads it")
                    columns[name] = as_array_of(values, self.kinds[name])
        if REQUEST_TIME in self.kinds:
            columns[REQUEST_TIME] = rows.instants(self.at).view("datetime64[us]")
        return columns


def as_array_of(values: pa.Array | pa.ChunkedArray, kind: ColumnType) -> Array:
    """A column in the form in which on-demand transformations read it: see `fti_assets.vocabulary.as_array`."""
    if kind == "timestamp":
        whole = values.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).fill_null(np.iinfo(np.int64).min)
        return np.asarray(whole.to_numpy(zero_copy_only=False)).view("datetime64[us]")
    if kind == "date":
        return np.asarray(values.cast(pa.date32()).to_numpy(zero_copy_only=False), "datetime64[D]")
    if kind == "string":
        return np.asarray(values.cast(pa.large_string()).to_numpy(zero_copy_only=False), object)
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _arrow(values: Array, kind: ColumnType) -> pa.Array:
    if kind == "string":
        return pa.array(values, pa.string())
    return pa.array(values, pa.float64(), from_pandas=True).cast(_RESULTS[kind])


def _check_alone(one: OnDemand, columns: Mapping[str, Array]) -> None:
    """Computes some rows by themselves, as a server does, and compares."""
    among, kind = columns[one.name], one.result.type
    for row in np.unique(np.linspace(0, len(among) - 1, _ALONE).astype(int)) if len(among) > 1 else ():
        alone = one.compute({name: columns[name][row : row + 1] for name in one.reads})
        if not _same(alone, among[row : row + 1]):
            told, otherwise = (as_values(array, kind)[0] for array in (alone, among[row : row + 1]))
            raise OnDemandError(
                f"On-demand feature '{one}' is {told!r} for row {row} by itself, but {otherwise!r} among {len(among):,} rows.",
                next_step="Compute each value from its own row: no mean, sum, order or difference over the rows.",
            )


def _same(alone: Array, among: Array) -> bool:
    if alone.dtype == object:
        return bool(alone[0] == among[0])
    return bool(np.allclose(alone, among, rtol=1e-9, atol=0, equal_nan=True))
