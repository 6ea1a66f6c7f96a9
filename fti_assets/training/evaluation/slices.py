"""Figures by slice: the rows that share one value of one column."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fti_assets.errors import not_found
from fti_assets.training.evaluation.groups import Groups, encoded
from fti_assets.training.evaluation.intervals import Interval, intervals
from fti_assets.training.evaluation.metrics import binary_metrics
from fti_assets.training.evaluation.ranking import IntArray
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary.model import SMALLEST_SLICE

MISSING = "(missing)"
_REPLICATES = 200


@dataclass(frozen=True, slots=True)
class SliceMetrics:
    """The figures of one slice; `metrics` has those of `binary_metrics`.

    Attributes:
        auc: with its interval; None where that was not asked for.
    """

    column: str
    value: str
    rows: int
    metrics: Mapping[str, float]
    auc: Interval | None = None

    def __str__(self) -> str:
        return f"{self.column} = {self.value}"


def slice_metrics(
    table: pa.Table,
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    columns: Sequence[str],
    minimum_rows: int = SMALLEST_SLICE,
    groups: Groups | None = None,
    *,
    seed: int = 0,
) -> tuple[SliceMetrics, ...]:
    """The figures of every slice of at least `minimum_rows` rows, by column and then by value.

    `score` and `label` are in the order of the rows of `table`; missing values of a column form the slice `(missing)`. With
    `groups`, which say which rows belong together, the AUC of each slice gets an interval.
    """
    scores, truth = np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.float64)
    found = []
    for column in columns:
        for value, rows in rows_by_value(table, column):
            if len(rows) >= minimum_rows:
                figures = binary_metrics(truth[rows], scores[rows])
                auc = None if groups is None else _auc(figures, truth[rows], scores[rows], groups.among(rows), seed)
                found.append(SliceMetrics(column, value, len(rows), figures, auc))
    return tuple(found)


def worst_slice(slices: Sequence[SliceMetrics], minimum_rows: int = 500) -> SliceMetrics | None:
    """The slice of the lowest AUC among those of at least `minimum_rows` rows that have one; None where there is none."""
    known = [one for one in slices if one.rows >= minimum_rows and not math.isnan(one.metrics["auc"])]
    return min(known, key=lambda one: one.metrics["auc"], default=None)


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


def slices_data(slices: Sequence[SliceMetrics]) -> list[dict[str, str | int | float]]:
    """Slices as values that JSON can hold: column, value, rows, the figures that are known, and `auc_low` and `auc_high`."""
    found: list[dict[str, str | int | float]] = []
    for one in slices:
        sure = {"auc_low": one.auc.low, "auc_high": one.auc.high} if one.auc else {}
        figures = {name: value for name, value in {**one.metrics, **sure}.items() if not math.isnan(value)}
        found.append({**figures, "column": one.column, "value": one.value, "rows": one.rows})
    return found


def rows_by_value(table: pa.Table, column: str) -> Iterator[tuple[str, IntArray]]:
    """The positions of the rows of each value of a column, by value; those where it is missing come last.

    Raises:
        NotFoundError: the table has no such column.
    """
    if column not in table.column_names:
        raise not_found("Column", column, table.column_names, where="the table to be sliced")
    codes, named = encoded(table.column(column))
    order = np.argsort(codes, kind="stable")
    borders = np.flatnonzero(np.diff(codes[order])) + 1
    groups = [(named[codes[rows[0]]], rows) for rows in np.split(order, borders) if len(rows)]
    for value, rows in sorted(groups, key=lambda group: (group[0] is None, group[0] if group[0] is not None else 0)):
        yield (MISSING if value is None else str(value)), rows


def _auc(figures: Mapping[str, float], truth: FloatArray, scores: FloatArray, groups: Groups, seed: int) -> Interval:
    return intervals(figures, truth, scores, groups, ("auc",), replicates=_REPLICATES, seed=seed)["auc"]
