"""One version of a model, as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fti_assets.predictive_models import PredictiveModel
from fti_assets.transformations import FloatArray, Rows

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered model: where it came from, how good it was, and what was decided about it.

    Attributes:
        aliases: names that point to it now, in alphabetical order: champion, challenger, previous.
        metrics: final figures of its training by metric and split, as `auc_test`.
        tags: lineage and, once judged, `decision`, `decision_reason`, `decision_figures` and `decided_at`.
        created_at: UTC.
    """

    name: str
    version: int
    aliases: tuple[str, ...]
    run_id: str
    experiment_id: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    created_at: datetime

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version together with the model itself, its file verified."""

    version: ModelVersion
    model: PredictiveModel

    def predict(self, rows: Rows) -> FloatArray:
        return self.model.predict(rows)
