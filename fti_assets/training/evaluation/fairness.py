"""Whether a model treats groups of people or things alike: one table for each sensitive column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from fti_assets.training.evaluation.metrics import binary_metrics
from fti_assets.training.evaluation.slices import rows_by_value
from fti_assets.training.evaluation.thresholds import threshold_row
from fti_assets.transformations import FloatArray

FOUR_FIFTHS = 0.8
"""The rule of the US Uniform Guidelines on Employee Selection Procedures, 1978: a selection rate under four fifths of another's."""


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
        selection_ratio: its selection rate by that of the largest group of the column.
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
        """Whether this group, or the largest beside it, is selected less than four fifths as often as the other."""
        inexact = 1e-9  # a ratio of exactly four fifths is one of two divisions
        return self.selection_ratio < FOUR_FIFTHS - inexact or self.selection_ratio > 1 / FOUR_FIFTHS + inexact


def fairness_table(
    table: pa.Table, score: FloatArray, label: FloatArray, columns: Sequence[str], threshold: float
) -> tuple[FairnessRow, ...]:
    """A row for each value of each column, the largest group of a column first. `score` and `label` are in the order of `table`.

    Raises:
        NotFoundError: the table lacks a column.
    """
    found: list[FairnessRow] = []
    for column in columns:
        groups = [_row(column, value, score[rows], label[rows], threshold) for value, rows in rows_by_value(table, column)]
        groups.sort(key=lambda one: -one.rows)
        found += [replace(one, selection_ratio=_ratio(one.selection_rate, groups[0].selection_rate)) for one in groups]
    return tuple(found)


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


def _ratio(rate: float, largest: float) -> float:
    if rate == largest:
        return 1.0
    return rate / largest if largest else math.inf
