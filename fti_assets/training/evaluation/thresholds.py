"""From which score on a row is taken for positive: what each threshold does, what it costs, and the one that is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fti_assets.training.evaluation.metrics import thinned
from fti_assets.training.evaluation.ranking import Ranking
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import Costs

FALLBACK = 0.5


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score from which on a row is taken for positive, and by what rule it was chosen."""

    value: float
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRow:
    """What comes of a threshold; shares of nothing are NaN.

    Attributes:
        selected: share of rows at or above it.
        precision: share of these that are positive.
        recall: share of the positive rows that are at or above it.
        false_positive_rate: share of the negative rows that are.
        f1: harmonic mean of precision and recall.
        cost: for each row; None where the model has no costs.
    """

    threshold: float
    selected: float
    precision: float
    recall: float
    false_positive_rate: float
    f1: float
    cost: float | None


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve:
    """The cost for each row by threshold, the highest first; the first selects no row, the last all."""

    thresholds: FloatArray
    cost: FloatArray


def choose_threshold(label: FloatArray, score: FloatArray, costs: Costs | None) -> Threshold:
    """The threshold of the least cost, or without costs the one of the best F1; 0.5 where no positive is known to find it by.

    Of several that are as good the highest, which selects fewest rows. Give the validation split: chosen on the rows that it is
    judged by, a threshold looks better than it is.
    """
    if costs is not None:
        curve = cost_curve(label, score, costs)
        rule = f"the least cost on the validation split, with {_words(costs)}"
        return Threshold(float(curve.thresholds[int(np.argmin(curve.cost))]), rule)
    ranking = Ranking.of(label, score)
    positives, negatives = ranking.cumulative()
    if not positives[-1]:
        return Threshold(FALLBACK, f"{FALLBACK}, since the validation split has no positive row")
    f1 = 2 * positives[1:] / (positives[1:] + negatives[1:] + positives[-1])
    return Threshold(
        float(ranking.distinct[int(np.argmax(f1))]), "the best F1 on the validation split, since the model has no costs"
    )


def cost_curve(label: FloatArray, score: FloatArray, costs: Costs) -> CostCurve:
    """The cost of each threshold that makes a difference."""
    ranking = Ranking.of(label, score)
    positives, negatives = ranking.cumulative()
    total = costs.false_positive * negatives + costs.false_negative * (positives[-1] - positives)
    none = math.nextafter(float(ranking.scores[0]), 2) if len(score) else 1.0
    return CostCurve(np.append(none, ranking.distinct), total / max(len(label), 1))


def thinned_curve(curve: CostCurve, most: int = 200) -> CostCurve:
    """At most `most` points of a curve, for a picture."""
    chosen = thinned(len(curve.cost), most)
    return CostCurve(curve.thresholds[chosen], curve.cost[chosen])


def threshold_table(label: FloatArray, score: FloatArray, costs: Costs | None, chosen: float) -> tuple[ThresholdRow, ...]:
    """The chosen threshold, and those that select about each tenth of the rows, the highest first."""
    if not len(score):
        return ()
    tenths = np.quantile(score, np.linspace(0.9, 0.1, 9), method="higher")
    return tuple(threshold_row(label, score, float(one), costs) for one in sorted({chosen, *tenths.tolist()}, reverse=True))


def threshold_row(label: FloatArray, score: FloatArray, threshold: float, costs: Costs | None) -> ThresholdRow:
    """What comes of one threshold."""
    selected = score >= threshold
    hits, positives, rows = float(label[selected].sum()), float(label.sum()), len(label)
    false = float(selected.sum()) - hits
    cost = None if costs is None else _share(costs.false_positive * false + costs.false_negative * (positives - hits), rows)
    return ThresholdRow(
        threshold=threshold,
        selected=_share(hits + false, rows),
        precision=_share(hits, hits + false),
        recall=_share(hits, positives),
        false_positive_rate=_share(false, rows - positives),
        f1=_share(2 * hits, hits + false + positives),
        cost=cost,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _words(costs: Costs) -> str:
    return f"{costs.false_positive:g} {costs.unit} for a false positive, {costs.false_negative:g} for a false negative"
