"""The formats that models are kept in, and what reads each. None of them can run code when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fti_assets.errors import not_found
from fti_assets.predictive_models.forest import ForestModel
from fti_assets.predictive_models.onnx import OnnxModel
from fti_assets.predictive_models.predictive_model import PredictiveModel
from fti_assets.predictive_models.sklearn import SklearnModel
from fti_assets.predictive_models.torch import TorchModel
from fti_assets.predictive_models.xgboost import XGBoostModel

FORMATS: Mapping[str, Callable[..., PredictiveModel]] = {
    XGBoostModel.FILE: XGBoostModel.from_bytes,
    TorchModel.FILE: TorchModel.from_bytes,
    SklearnModel.FILE: SklearnModel.from_bytes,
    OnnxModel.FILE: OnnxModel.from_bytes,
    ForestModel.FILE: ForestModel.from_bytes,
}
"""What reads each kind of model file from its bytes."""


def read_model(file: str, content: bytes, *, source: str) -> PredictiveModel:
    """The model in a file of the name `file`; `source` names it in errors.

    Raises:
        NotFoundError: no format has that name of a file.
        ModelFileError: the content is damaged, or holds what is not allowed.
    """
    if file not in FORMATS:
        raise not_found("Format", file, FORMATS, where="what can be loaded")
    return FORMATS[file](content, source=source)
