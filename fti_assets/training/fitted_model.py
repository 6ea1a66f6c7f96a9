"""What every trainer returns, whatever the framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fti_assets.predictive_models import PredictiveModel


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A model and how its training went.

    Attributes:
        params: what it was trained with.
        learning_curve: value after each round or epoch by metric and split, as `logloss_validation`.
        best_iteration: round (from 0) after which the model was taken; None where nothing was stopped early.
        feature_importance: share of the total gain by feature, the largest first; empty where a framework has none.
    """

    model: PredictiveModel
    params: Mapping[str, str | int | float | bool | None]
    learning_curve: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    best_iteration: int | None = None
    feature_importance: Mapping[str, float] = field(default_factory=dict)
