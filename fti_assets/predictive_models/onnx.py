"""Models as ONNX graphs that carry their own transformations: one runtime for several frameworks, quick on single rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from fti_assets.errors import DefinitionError
from fti_assets.predictive_models.description import KEY, Description
from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.predictive_models.onnx_network import network_to_onnx
from fti_assets.predictive_models.onnx_trees import trees_to_onnx
from fti_assets.predictive_models.predictive_model import PredictiveModel
from fti_assets.predictive_models.torch import TorchModel
from fti_assets.predictive_models.xgboost import XGBoostModel
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, Rows


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """A graph `matrix (rows, columns) float32 -> probability` with what it needs to read raw rows.

    Attributes:
        content: the graph, as it stands in its file.
        session: an `onnxruntime.InferenceSession` of it, of one thread.
        transformations: fitted on the training split.
        label: name of what is predicted.
    """

    content: bytes = field(repr=False)
    session: Any = field(repr=False)
    transformations: FittedTransformations
    label: str

    FILE: ClassVar[str] = "model.onnx"

    def predict(self, rows: Rows) -> FloatArray:
        return self.predict_matrix(self.transformations.matrix(rows))

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        (scores,) = self.session.run(None, {"matrix": matrix})
        return np.asarray(scores, dtype=np.float64).reshape(len(matrix))

    def save(self, folder: Path) -> Path:
        path = folder / self.FILE
        path.write_bytes(self.content)
        return path

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> OnnxModel:
        """Reads the content of a model file; `source` names it in errors. Weights outside the file are refused.

        Raises:
            ModelFileError: it was not written by `save`, or is damaged.
        """
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            with TemporaryDirectory() as empty:  # where else it would look for weights is the working directory
                options.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
                session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
            raise ModelFileError(f"ONNX Runtime cannot read {source} ({len(content):,} bytes): {error}.") from error
        described = Description.read(session.get_modelmeta().custom_metadata_map.get(KEY), source)
        return cls(content, session, described.transformations, described.label)


def to_onnx(model: PredictiveModel) -> OnnxModel:
    """The same model as a graph; predictions agree within 1e-6.

    Raises:
        DefinitionError: there is no translation for models of its kind.
    """
    described = Description(transformations=model.transformations, label=model.label, settings={})
    if isinstance(model, OnnxModel):
        return model
    if isinstance(model, XGBoostModel):
        content = trees_to_onnx(model.booster, len(model.transformations.columns), {KEY: described.text})
    elif isinstance(model, TorchModel):
        content = network_to_onnx(model, {KEY: described.text})
    else:
        raise DefinitionError(
            f"A {type(model).__name__} cannot be translated to ONNX.",
            next_step="XGBoostModel and TorchModel can: serve it as it is.",
        )
    return OnnxModel.from_bytes(content, source="the translated graph")
