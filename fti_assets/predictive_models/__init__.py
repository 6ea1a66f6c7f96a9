"""Models in a form that every reader can use: raw rows in, one number for each row out, kept in safe formats.

Importing it imports no framework.
"""

from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.predictive_models.forest import ForestModel, to_forest
from fti_assets.predictive_models.formats import FORMATS, read_model
from fti_assets.predictive_models.onnx import OnnxModel, to_onnx
from fti_assets.predictive_models.predictive_model import PredictiveModel
from fti_assets.predictive_models.sklearn import SklearnModel
from fti_assets.predictive_models.torch import TorchModel
from fti_assets.predictive_models.xgboost import XGBoostModel

__all__ = [
    "FORMATS",
    "ForestModel",
    "ModelFileError",
    "OnnxModel",
    "PredictiveModel",
    "SklearnModel",
    "TorchModel",
    "XGBoostModel",
    "read_model",
    "to_forest",
    "to_onnx",
]
