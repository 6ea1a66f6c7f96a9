"""What MLflow calls to load a model of ours: `mlflow.pyfunc.load_model("models:/flight_delay@champion").predict(raw_rows)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fti_assets.model_registry.xgboost_model import FloatArray, Rows, XGBoostModel


class PyfuncModel:
    """A model in the form that MLflow expects of a loader module."""

    def __init__(self, model: XGBoostModel) -> None:
        self._model = model

    def predict(self, rows: Rows, params: dict[str, Any] | None = None) -> FloatArray:  # noqa: ARG002 - MLflow passes it
        return self._model.predict(rows)


def _load_pyfunc(data_path: str) -> PyfuncModel:
    path = Path(data_path)
    return PyfuncModel(XGBoostModel.load(path if path.is_dir() else path.parent))
