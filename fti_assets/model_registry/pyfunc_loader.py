"""What MLflow calls to load a model of ours: `mlflow.pyfunc.load_model("models:/flight_delay@champion").predict(raw_rows)`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from fti_assets.errors import not_found
from fti_assets.model_registry._artifacts import LARGEST_MODEL, LARGEST_TEXT, read_plain_file
from fti_assets.model_registry.errors import TamperedModelError
from fti_assets.predictive_models import FORMATS, PredictiveModel, read_model
from fti_assets.transformations import FloatArray, Rows

os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"


class PyfuncModel:
    """A model in the form that MLflow expects of a loader module."""

    def __init__(self, model: PredictiveModel) -> None:
        self._model = model

    def predict(self, rows: Rows, params: dict[str, Any] | None = None) -> FloatArray:  # noqa: ARG002 - MLflow passes it
        return self._model.predict(rows)


def _load_pyfunc(data_path: str) -> PyfuncModel:
    """The model in a folder or file of MLflow's, verified against the SHA-256 that stands in the `MLmodel` beside it.

    The registry itself is not asked, so whoever can write both files can exchange both: `ModelRegistry.load` is stricter.
    """
    path = Path(data_path)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    file = next((one for one in files if one.name in FORMATS), None)
    if file is None:
        raise not_found("Model file", str(path), [one.name for one in files], where="what can be loaded")
    content = read_plain_file(file, largest=LARGEST_MODEL)
    if hashlib.sha256(content).hexdigest() != _recorded(file):
        raise TamperedModelError(f"{file} is not the file that its MLmodel describes.", next_step="Load it by ModelRegistry.load.")
    return PyfuncModel(read_model(file.name, content, source=str(file)))


def _recorded(file: Path) -> Any:
    """The SHA-256 in the `MLmodel` of the folder, or the one above; None where there is none."""
    import yaml  # type: ignore[import-untyped]

    for folder in (file.parent, file.parent.parent):
        try:
            said = yaml.safe_load(read_plain_file(folder / "MLmodel", largest=LARGEST_TEXT))
        except FileNotFoundError:
            continue
        metadata = said.get("metadata") if isinstance(said, dict) else None
        return metadata.get("model_sha256") if isinstance(metadata, dict) else None
    return None
