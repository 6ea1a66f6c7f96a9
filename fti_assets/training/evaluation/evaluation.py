"""How good a model is on held-out rows, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fti_assets.errors import not_found
from fti_assets.model_registry import LoadedModel
from fti_assets.predictive_models import PredictiveModel
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation.groups import Groups, row_groups
from fti_assets.training.evaluation.intervals import Interval, intervals
from fti_assets.training.evaluation.metrics import binary_metrics
from fti_assets.training.evaluation.slices import SliceMetrics, slice_metrics
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import SplitName
from fti_assets.vocabulary.model import SMALLEST_SLICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures on one split.

    Attributes:
        metrics: those of `binary_metrics`.
        intervals: where those of `METRICS` may lie, with a confidence of 95%; empty where they were not asked for.
        slices: the same figures by slice.
        label: the truth of each row, in the order of the split; None where only figures are known.
        score: the prediction for each row.
        groups: which rows belong together, when this is compared with another model's.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    slices: tuple[SliceMetrics, ...] = ()
    label: FloatArray | None = field(default=None, repr=False, compare=False)
    score: FloatArray | None = field(default=None, repr=False, compare=False)
    groups: Groups | None = field(default=None, repr=False, compare=False)

    def metric(self, name: str) -> float:
        """One figure.

        Raises:
            NotFoundError: there is none of that name.
        """
        if name not in self.metrics:
            raise not_found("Metric", name, self.metrics, where="the evaluation")
        return self.metrics[name]

    def interval(self, name: str) -> Interval:
        """One figure with its interval, which is NaN where it was not asked for."""
        return self.intervals.get(name, Interval(self.metric(name), float("nan"), float("nan")))


def evaluate(
    model: PredictiveModel | LoadedModel,
    data: TrainingData,
    slices: Sequence[str] = (),
    *,
    split: SplitName = "test",
    minimum_rows: int = SMALLEST_SLICE,
    with_intervals: bool = False,
    together: Sequence[str] = (),
    seed: int = 0,
) -> Evaluation:
    """Scores a split and measures it, overall and on every slice of at least `minimum_rows` rows.

    Args:
        model: what is measured.
        data: holds the split.
        slices: columns by whose values it is measured as well.
        split: which one.
        minimum_rows: of a slice; `Model.smallest_slice` is what the gates of a model need.
        with_intervals: whether figures, and the AUC of slices, get intervals.
        together: columns whose rows belong together; those of a day unless given.
        seed: of the intervals.
    """
    label = data.labels(split)
    score = np.concatenate([model.predict(batch) for batch in data.batches(split, data.feature_names)])
    metrics, groups = binary_metrics(label, score), row_groups(data, split, together)
    table = data.split(split, list(dict.fromkeys(slices)))
    return Evaluation(
        metrics=metrics,
        intervals=intervals(metrics, label, score, groups, seed=seed) if with_intervals else {},
        slices=slice_metrics(table, score, label, slices, minimum_rows, groups if with_intervals else None, seed=seed),
        label=label,
        score=score,
        groups=groups,
    )
