"""Figures of a binary classifier, computed with numpy from labels (0 or 1) and predicted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fti_assets.errors import FtiError
from fti_assets.model_registry.xgboost_model import FloatArray

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error"})
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
    truth, scores = _checked(label, score)
    if not len(truth):
        names = ("auc", "average_precision", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")
        return {**dict.fromkeys(names, float("nan")), "rows": 0.0}
    clipped = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return {
        "auc": _auc(truth, scores),
        "average_precision": _average_precision(truth, scores),
        "log_loss": float(-np.mean(np.where(truth == 1, np.log(clipped), np.log1p(-clipped)))),
        "brier": float(np.mean((scores - truth) ** 2)),
        "calibration_error": _calibration_error(truth, scores),
        "base_rate": float(truth.mean()),
        "mean_prediction": float(scores.mean()),
        "rows": float(len(truth)),
    }


def calibration_table(label: npt.ArrayLike, score: npt.ArrayLike, bins: int = 10) -> list[CalibrationBin]:
    """Rows in at most `bins` groups of about equal size by score, the lowest first; equal scores stay together."""
    truth, scores = _checked(label, score)
    if not len(truth):
        return []
    last = -(-np.arange(1, bins) * len(scores) // bins) - 1  # position of the last row of each group but the highest
    borders = np.unique(np.sort(scores)[last])
    group = np.searchsorted(borders, scores, side="left")
    rows = np.bincount(group, minlength=len(borders) + 1)
    predicted = np.bincount(group, weights=scores, minlength=len(rows))
    observed = np.bincount(group, weights=truth, minlength=len(rows))
    return [
        CalibrationBin(int(count), float(predicted[n] / count), float(observed[n] / count)) for n, count in enumerate(rows) if count
    ]


def roc_points(label: npt.ArrayLike, score: npt.ArrayLike, most: int = 200) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates from (0, 0) to (1, 1), thinned to at most about `most` points; NaN where one class is empty."""
    positives, negatives = _cumulative(*_checked(label, score))
    with np.errstate(invalid="ignore"):
        false_rate, true_rate = negatives / negatives[-1], positives / positives[-1]
    chosen = np.unique(np.linspace(0, len(false_rate) - 1, min(most, len(false_rate))).astype(int))
    return false_rate[chosen], true_rate[chosen]


def _auc(truth: FloatArray, scores: FloatArray) -> float:
    # The area under the trapezoids between distinct scores: ties count half (Mann-Whitney).
    positives, negatives = _cumulative(truth, scores)
    if not positives[-1] or not negatives[-1]:
        return float("nan")
    return float(np.trapezoid(positives, negatives) / (positives[-1] * negatives[-1]))


def _average_precision(truth: FloatArray, scores: FloatArray) -> float:
    # Sum over distinct scores of (recall gained) x precision, as scikit-learn defines it.
    positives, negatives = _cumulative(truth, scores)
    if not positives[-1]:
        return float("nan")
    precision = positives[1:] / (positives[1:] + negatives[1:])
    return float(np.sum(np.diff(positives) * precision) / positives[-1])


def _calibration_error(truth: FloatArray, scores: FloatArray) -> float:
    # Expected calibration error: distance of prediction and observation, weighted by the rows of each bin.
    table = calibration_table(truth, scores)
    return sum(one.rows * abs(one.mean_prediction - one.observed_rate) for one in table) / len(truth)


def _cumulative(truth: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Positives and negatives at or above each distinct score, the highest first, led by zero."""
    if not len(truth):
        return np.zeros(1), np.zeros(1)
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order]
    last = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    positives = np.cumsum(truth[order])[last]
    return np.append(0.0, positives), np.append(0.0, last + 1.0 - positives)


def _checked(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    truth: Any = np.asarray(label, dtype=np.float64)
    scores: Any = np.asarray(score, dtype=np.float64)
    if truth.shape != scores.shape or truth.ndim != 1:
        raise ScoresError(f"Labels have the shape {truth.shape} and scores {scores.shape}; both must be one list of equal length.")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ScoresError("A label is neither 0 nor 1.", next_step="Leave out rows whose label is not known.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ScoresError("A score is not a probability in [0, 1].", next_step="Give what the model's predict returns.")
    return truth, scores
