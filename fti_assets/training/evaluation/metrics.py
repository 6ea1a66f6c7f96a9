"""Figures of a binary classifier, computed with numpy from labels (0 or 1) and predicted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fti_assets.errors import FtiError
from fti_assets.training.evaluation.ranking import IntArray, Ranking, area, average_precision
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import METRICS

_SMALLEST = float(np.finfo(np.float64).eps)  # as scikit-learn clips


class ScoresError(FtiError):
    """Labels and scores do not fit together."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows of similar score: how many, what was predicted on average, and what share came true."""

    rows: int
    mean_prediction: float
    observed_rate: float


def binary_metrics(label: npt.ArrayLike, score: npt.ArrayLike) -> dict[str, float]:
    """`auc`, `average_precision`, `log_loss`, `brier`, `calibration_error`, `base_rate`, `mean_prediction` and `rows`.

    `auc` is NaN where all the labels are equal, and `average_precision` where none is positive; without rows all but
    `rows` are NaN.

    Raises:
        ScoresError: lengths differ, a label is neither 0 nor 1, or a score is not in [0, 1].
    """
    truth, scores = checked(label, score)
    if not len(truth):
        return {**dict.fromkeys((*METRICS, "base_rate", "mean_prediction"), float("nan")), "rows": 0.0}
    counted = Ranking.of(truth, scores).cumulative()
    return {
        "auc": area(*counted),
        "average_precision": average_precision(*counted),
        "log_loss": float(log_losses(truth, scores).mean()),
        "brier": float(np.mean((scores - truth) ** 2)),
        "calibration_error": _calibration_error(truth, scores),
        "base_rate": float(truth.mean()),
        "mean_prediction": float(scores.mean()),
        "rows": float(len(truth)),
    }


def log_losses(truth: FloatArray, scores: FloatArray) -> FloatArray:
    """The log loss of each row; a sure score that is wrong costs what the smallest number that is told from 1 costs."""
    clipped = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    losses: FloatArray = -np.where(truth == 1, np.log(clipped), np.log1p(-clipped))
    return losses


def calibration_table(label: npt.ArrayLike, score: npt.ArrayLike, bins: int = 10) -> list[CalibrationBin]:
    """Rows in at most `bins` groups of about equal size by score, the lowest first; equal scores stay together."""
    truth, scores = checked(label, score)
    if not len(truth):
        return []
    group = calibration_bins(scores, bins)
    rows = np.bincount(group)
    predicted = np.bincount(group, weights=scores)
    observed = np.bincount(group, weights=truth)
    return [
        CalibrationBin(int(count), float(predicted[n] / count), float(observed[n] / count)) for n, count in enumerate(rows) if count
    ]


def calibration_bins(scores: FloatArray, bins: int = 10) -> IntArray:
    """For each row the number of its group in `calibration_table`."""
    last = -(-np.arange(1, bins) * len(scores) // bins) - 1  # position of the last row of each group but the highest
    borders = np.unique(np.sort(scores)[last])
    return np.searchsorted(borders, scores, side="left")


def roc_points(label: npt.ArrayLike, score: npt.ArrayLike, most: int = 200) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates from (0, 0) to (1, 1), thinned to at most about `most` points; NaN where one class is empty."""
    positives, negatives = Ranking.of(*checked(label, score)).cumulative()
    with np.errstate(invalid="ignore"):
        false_rate, true_rate = negatives / negatives[-1], positives / positives[-1]
    chosen = thinned(len(false_rate), most)
    return false_rate[chosen], true_rate[chosen]


def precision_recall_points(label: npt.ArrayLike, score: npt.ArrayLike, most: int = 200) -> tuple[FloatArray, FloatArray]:
    """Recall and precision from the highest score to the lowest, thinned to at most about `most` points; NaN without a positive."""
    positives, negatives = Ranking.of(*checked(label, score)).cumulative()
    chosen = thinned(len(positives) - 1, most) + 1
    with np.errstate(invalid="ignore"):
        return positives[chosen] / positives[-1], positives[chosen] / (positives + negatives)[chosen]


def thinned(count: int, most: int) -> IntArray:
    """At most `most` positions of `count`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _calibration_error(truth: FloatArray, scores: FloatArray) -> float:
    # Expected calibration error: distance of prediction and observation, weighted by the rows of each bin.
    return float(np.abs(np.bincount(calibration_bins(scores), weights=scores - truth)).sum() / len(truth))


def checked(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Labels and scores as arrays of equal length.

    Raises:
        ScoresError: lengths differ, a label is neither 0 nor 1, or a score is not in [0, 1].
    """
    truth: Any = np.asarray(label, dtype=np.float64)
    scores: Any = np.asarray(score, dtype=np.float64)
    if truth.shape != scores.shape or truth.ndim != 1:
        raise ScoresError(f"Labels have the shape {truth.shape} and scores {scores.shape}; both must be one list of equal length.")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ScoresError("A label is neither 0 nor 1.", next_step="Leave out rows whose label is not known.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ScoresError("A score is not a probability in [0, 1].", next_step="Give what the model's predict returns.")
    return truth, scores
