"""What a model looks at: SHAP values where it has them, the loss by shuffling a feature elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.errors import FtiError
from fti_assets.predictive_models import PredictiveModel
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation.metrics import binary_metrics
from fti_assets.training.evaluation.ranking import IntArray
from fti_assets.transformations import FloatArray, Rows
from fti_assets.transformations.rows import features_of
from fti_assets.vocabulary import SplitName

MOST_EXPLAINED = 200
"""Rows whose SHAP values are worked out: of 500 trees with 200 leaves they take 2 to 3 s of one core."""
MOST_SHUFFLED = 5_000


class NotExplainableError(FtiError):
    """A model does not say what each feature contributed to a prediction."""


@runtime_checkable
class AdditiveModel(Protocol):
    """A model whose predictions are sums of what each feature contributes."""

    def contributions(self, rows: Rows) -> FloatArray:
        """Contribution of each feature of the view in log-odds, shape (rows, features + 1); the last is the expected value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a model looks at, measured on rows of one split.

    Attributes:
        kind: `shap`, the mean of |contribution| in log-odds; `permutation`, the AUC lost when the feature's values are shuffled.
        importance: by feature, the largest first.
        rows: how many it was measured on.
        contributions: SHAP values in the order of `importance`, shape (rows, features); None for permutation.
        values: where the values of the features stand among those of the same rows, 0 to 1, in the same shape; NaN where missing
            or where they have no order.
    """

    kind: str
    importance: Mapping[str, float]
    rows: int
    contributions: FloatArray | None = field(default=None, repr=False, compare=False)
    values: FloatArray | None = field(default=None, repr=False, compare=False)

    @property
    def measure(self) -> str:
        """What `importance` counts, in words."""
        return "mean absolute SHAP value, log-odds" if self.kind == "shap" else "AUC lost when shuffled"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one feature did to one prediction: `contribution` is in log-odds, above 0 where it raised the probability."""

    feature: str
    value: Any
    contribution: float


def explain(model: PredictiveModel, data: TrainingData, *, split: SplitName = "test", seed: int = 0) -> Explanation:
    """What a model looks at, on rows of a split that are drawn at random; the same seed draws the same."""
    additive = isinstance(model, AdditiveModel)
    chosen = _sample(data.rows[split], MOST_EXPLAINED if additive else MOST_SHUFFLED, seed)
    rows = pa.concat_tables(_chosen(data, split, chosen))
    if isinstance(model, AdditiveModel):
        return _shap(model, rows)
    return _permutation(model, rows, data.labels(split)[chosen], seed)


def explain_rows(model: PredictiveModel, rows: Rows, most: int = 5) -> list[tuple[Effect, ...]]:
    """For each row the features with the largest effect on its prediction, the largest first.

    Raises:
        NotExplainableError: the model has no SHAP values.
        RowsError: a feature is missing, or has a type that does not fit.
    """
    if not isinstance(model, AdditiveModel):
        raise NotExplainableError(
            f"A {type(model).__name__} does not say what each feature contributed to a prediction.",
            next_step="Models of trees (XGBoost) do; of the others see the permutation importance in the model card.",
        )
    features = model.transformations.features
    contributions = model.contributions(rows)[:, : len(features)]
    largest = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :most]
    values = features_of(rows, features).to_pylist()
    names = [feature.name for feature in features]
    return [
        tuple(Effect(names[n], values[row][names[n]], float(contributions[row, n])) for n in chosen)
        for row, chosen in enumerate(largest)
    ]


def _shap(model: AdditiveModel, rows: pa.Table) -> Explanation:
    contributions = model.contributions(rows)[:, : rows.num_columns]
    importance = np.abs(contributions).mean(axis=0)
    order = np.argsort(-importance, kind="stable")
    return Explanation(
        kind="shap",
        importance={rows.column_names[n]: float(importance[n]) for n in order},
        rows=rows.num_rows,
        contributions=contributions[:, order],
        values=np.column_stack([_standing(rows.column(int(n))) for n in order]),
    )


def _permutation(model: PredictiveModel, rows: pa.Table, label: FloatArray, seed: int) -> Explanation:
    random = np.random.default_rng(seed)
    whole = binary_metrics(label, model.predict(rows))["auc"]
    lost = {}
    for n, name in enumerate(rows.column_names):
        shuffled = rows.set_column(n, name, rows.column(n).take(pa.array(random.permutation(rows.num_rows))))
        lost[name] = whole - binary_metrics(label, model.predict(shuffled))["auc"]
    return Explanation(kind="permutation", importance=dict(sorted(lost.items(), key=lambda one: -one[1])), rows=rows.num_rows)


def _sample(rows: int, most: int, seed: int) -> IntArray:
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False)).astype(np.int64)


def _chosen(data: TrainingData, split: SplitName, chosen: IntArray) -> list[pa.Table]:
    """The features of the chosen rows, which are in order; what else a batch holds is let go of."""
    found, start = [], 0
    for batch in data.batches(split, data.feature_names):
        inside = chosen[(chosen >= start) & (chosen < start + batch.num_rows)] - start
        found.append(pa.Table.from_batches([batch]).take(pa.array(inside)))
        start += batch.num_rows
    return found


def _standing(values: pa.ChunkedArray) -> FloatArray:
    """The rank of each value among the others, from 0 to 1; NaN for texts and where it is missing."""
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)):
        return np.full(len(values), np.nan)
    numbers = np.asarray(pc.cast(values, pa.float64()).to_numpy(), dtype=np.float64)
    known = np.unique(numbers[~np.isnan(numbers)])
    places = np.searchsorted(known, numbers) / max(len(known) - 1, 1)
    return np.where(np.isnan(numbers), np.nan, places)
