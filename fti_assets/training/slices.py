"""Figures by slice: the rows that share one value of one column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fti_assets.errors import not_found
from fti_assets.training.metrics import binary_metrics

MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class SliceMetrics:
    """The figures of one slice; `metrics` has those of `binary_metrics`."""

    column: str
    value: str
    rows: int
    metrics: Mapping[str, float]

    def __str__(self) -> str:
        return f"{self.column} = {self.value}"


def slice_metrics(
    table: pa.Table, score: npt.ArrayLike, label: npt.ArrayLike, columns: Sequence[str], minimum_rows: int = 100
) -> tuple[SliceMetrics, ...]:
    """The figures of every slice of at least `minimum_rows` rows, by column and then by value.

    `score` and `label` are in the order of the rows of `table`; missing values of a column form the slice `(missing)`.
    """
    scores, truth = np.asarray(score), np.asarray(label)
    found = []
    for column in columns:
        if column not in table.column_names:
            raise not_found("Column", column, table.column_names, where="the table to be sliced")
        for value, rows in _groups(table.column(column)):
            if len(rows) >= minimum_rows:
                found.append(SliceMetrics(column, value, len(rows), binary_metrics(truth[rows], scores[rows])))
    return tuple(found)


def slices_table(slices: Sequence[SliceMetrics]) -> pa.Table:
    """One row for each slice: column, value, rows, auc, base rate, mean prediction, calibration error."""
    names = ("auc", "base_rate", "mean_prediction", "calibration_error")
    columns = {
        "column": [one.column for one in slices],
        "value": [one.value for one in slices],
        "rows": [one.rows for one in slices],
    }
    figures = {name: pa.array([one.metrics[name] for one in slices], pa.float64()) for name in names}
    return pa.table({**columns, **figures})


def _groups(values: pa.ChunkedArray) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    codes = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    borders = np.flatnonzero(np.diff(codes[order])) + 1
    named = encoded.dictionary.to_pylist()
    groups = [(named[codes[rows[0]]], rows) for rows in np.split(order, borders) if len(rows)]
    for value, rows in sorted(groups, key=lambda group: (group[0] is None, group[0] if group[0] is not None else 0)):
        yield (MISSING if value is None else str(value)), rows
