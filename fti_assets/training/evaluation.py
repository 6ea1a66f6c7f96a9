"""How good a model is on held-out rows, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fti_assets.errors import not_found
from fti_assets.model_registry import LoadedModel, PredictiveModel
from fti_assets.model_registry.xgboost_model import FloatArray
from fti_assets.training.data import TrainingData
from fti_assets.training.metrics import binary_metrics
from fti_assets.training.slices import SliceMetrics, slice_metrics
from fti_assets.vocabulary import SplitName


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures on one split.

    Attributes:
        metrics: those of `binary_metrics`.
        slices: the same by slice.
        label: the truth of each row, in the order of the split; empty where only figures are known.
        score: the prediction for each row.
    """

    metrics: Mapping[str, float]
    slices: tuple[SliceMetrics, ...] = ()
    label: FloatArray | None = field(default=None, repr=False, compare=False)
    score: FloatArray | None = field(default=None, repr=False, compare=False)

    def metric(self, name: str) -> float:
        """One figure.

        Raises:
            NotFoundError: there is none of that name.
        """
        if name not in self.metrics:
            raise not_found("Metric", name, self.metrics, where="the evaluation")
        return self.metrics[name]


def evaluate(
    model: PredictiveModel | LoadedModel,
    data: TrainingData,
    slices: Sequence[str] = (),
    *,
    split: SplitName = "test",
    minimum_rows: int = 100,
) -> Evaluation:
    """Scores a split and measures it, overall and on every slice of at least `minimum_rows` rows."""
    table = data.split(split)
    label, score = data.labels(split), model.predict(table)
    return Evaluation(
        metrics=binary_metrics(label, score),
        slices=slice_metrics(table, score, label, slices, minimum_rows),
        label=label,
        score=score,
    )
