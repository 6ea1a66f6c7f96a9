"""A challenger beside the champion on the same rows, by a paired bootstrap: how much better it is, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fti_assets.training.evaluation.evaluation import Evaluation
from fti_assets.training.evaluation.groups import Groups
from fti_assets.training.evaluation.intervals import Interval, centred, interval, replicated
from fti_assets.training.evaluation.metrics import ScoresError
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import LOWER_IS_BETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much better a challenger is than the champion.

    Attributes:
        metric: in which.
        improvement: above 0 where the challenger is better, whatever the metric; NaN where one of the two has none.
        p_value: how often a difference as large as this would be seen between models that are equally good (two-sided).
        confidence: of the interval.
        unit: what was resampled: `day`, `row`, or the names of columns.
    """

    metric: str
    improvement: Interval
    p_value: float
    confidence: float
    unit: str

    @property
    def is_noise(self) -> bool:
        """Whether a difference of 0 lies within the interval."""
        return not (self.improvement.low > 0 or self.improvement.high < 0)


def compare(
    metric: str,
    challenger: Evaluation,
    champion: Evaluation,
    *,
    confidence: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compares two models in one metric; both are measured on the same samples of the same rows.

    Models that give the same scores differ by exactly 0, with an interval from 0 to 0.

    Raises:
        ScoresError: the two were not evaluated on the same rows.
        NotFoundError: the metric is not one of `METRICS`.
    """
    groups = _same_rows(challenger, champion)
    ours, theirs = (_replicated(metric, one, groups, replicates, seed) for one in (challenger, champion))
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    difference = sign * (challenger.metric(metric) - champion.metric(metric))
    drawn = sign * (ours - theirs)
    found = interval(difference, drawn, groups.count, confidence)
    return Comparison(
        metric=metric,
        improvement=found,
        p_value=_p_value(difference, drawn, groups.count) if np.isfinite(found.low) else float("nan"),
        confidence=confidence,
        unit=groups.unit,
    )


def _same_rows(challenger: Evaluation, champion: Evaluation) -> Groups:
    if challenger.label is None or champion.label is None or not np.array_equal(challenger.label, champion.label):
        raise ScoresError(
            "The challenger and the champion were not evaluated on the same rows, so they cannot be compared.",
            next_step="Evaluate both on the same split of the same training dataset.",
        )
    return challenger.groups or Groups.rows(len(challenger.label))


def _replicated(metric: str, evaluation: Evaluation, groups: Groups, replicates: int, seed: int) -> FloatArray:
    assert evaluation.label is not None
    assert evaluation.score is not None
    return replicated(evaluation.label, evaluation.score, groups, (metric,), replicates=replicates, seed=seed)[metric]


def _p_value(difference: float, drawn: FloatArray, groups: int) -> float:
    around = difference + centred(drawn[np.isfinite(drawn)], groups)
    smaller = min(int((around <= 0).sum()), int((around >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(around) + 1))
