"""Whether a model treats groups of people or things alike: one table for each sensitive column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from fti_assets.training.evaluation.metrics import binary_metrics
from fti_assets.training.evaluation.ranking import IntArray
from fti_assets.training.evaluation.slices import rows_by_value
from fti_assets.training.evaluation.thresholds import threshold_row
from fti_assets.transformations import FloatArray

FOUR_FIFTHS = 0.8
"""The US Uniform Guidelines on Employee Selection Procedures, 1978: no selection rate is under four fifths of the highest."""

SMALLEST_GROUP = 100
"""Rows that a group has at least to be compared: the rate of a smaller one is mostly chance."""

_MOST_SMALL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessRow:
    """How a model treats one group, at one threshold. Shares of nothing are NaN.

    Attributes:
        column: a sensitive column.
        value: its value in this group.
        base_rate: share of the rows that are positive.
        selection_rate: share that the model takes for positive.
        true_positive_rate: that share of the positive rows.
        false_positive_rate: that share of the negative rows.
        calibration: mean prediction minus base rate; above 0 where the model expects too much.
        selection_ratio: its selection rate by the highest of the column's groups that have enough rows; NaN where it has too
            few itself.
    """

    column: str
    value: str
    rows: int
    base_rate: float
    selection_rate: float
    true_positive_rate: float
    false_positive_rate: float
    calibration: float
    auc: float
    selection_ratio: float = math.nan

    @property
    def breaks_four_fifths(self) -> bool:
        """Whether this group is selected less than four fifths as often as the one that is selected most often."""
        inexact = 1e-9  # a ratio of exactly four fifths is one of two divisions
        return self.selection_ratio < FOUR_FIFTHS - inexact

    @property
    def has_too_few_rows(self) -> bool:
        """Whether it was not compared with others, since it is too small to tell."""
        return math.isnan(self.selection_ratio)


def fairness_table(
    table: pa.Table,
    score: FloatArray,
    label: FloatArray,
    columns: Sequence[str],
    threshold: float,
    *,
    minimum_rows: int = SMALLEST_GROUP,
) -> tuple[FairnessRow, ...]:
    """A row for each value of each column, the largest group of a column first. `score` and `label` are in the order of `table`.

    Groups of fewer than `minimum_rows` rows are measured, but not compared. Of more than 20 such groups of a column, the smaller
    ones are measured as one, `(N small groups)`.

    Raises:
        NotFoundError: the table lacks a column.
    """
    found: list[FairnessRow] = []
    for column in columns:
        groups = sorted(rows_by_value(table, column), key=lambda one: -len(one[1]))
        large = [one for one in groups if len(one[1]) >= minimum_rows]
        compared = [_row(column, value, score[rows], label[rows], threshold) for value, rows in large]
        highest = max((one.selection_rate for one in compared), default=math.nan)
        found += [replace(one, selection_ratio=_ratio(one.selection_rate, highest)) for one in compared]
        small = _few(groups[len(large) :])
        found += [_row(column, value, score[rows], label[rows], threshold) for value, rows in small]
    return tuple(found)


def _few(groups: list[tuple[str, IntArray]]) -> list[tuple[str, IntArray]]:
    """The groups, the last of them as one where they are many: a column with a value for each row would give a row for each."""
    shown, rest = groups[:_MOST_SMALL], groups[_MOST_SMALL:]
    return [*shown, (f"({len(rest):,} small groups)", np.concatenate([rows for _, rows in rest]))] if rest else shown


def _row(column: str, value: str, score: FloatArray, label: FloatArray, threshold: float) -> FairnessRow:
    figures, decided = binary_metrics(label, score), threshold_row(label, score, threshold, None)
    return FairnessRow(
        column=column,
        value=value,
        rows=len(label),
        base_rate=figures["base_rate"],
        selection_rate=decided.selected,
        true_positive_rate=decided.recall,
        false_positive_rate=decided.false_positive_rate,
        calibration=figures["mean_prediction"] - figures["base_rate"],
        auc=figures["auc"],
    )


def _ratio(rate: float, highest: float) -> float:
    return rate / highest if highest else 1.0  # where nobody is selected, all are treated alike
