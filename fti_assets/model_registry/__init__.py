"""Shared store 2: the model registry, MLflow behind one interface. Importing it imports neither MLflow nor XGBoost."""

from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS, LoadedModel, ModelVersion
from fti_assets.model_registry.registry import ModelRegistry, TamperedModelError
from fti_assets.model_registry.training_record import DatasetReference, PredictiveModel, TrainingRecord
from fti_assets.model_registry.xgboost_model import (
    CategoryEncoding,
    ModelFileError,
    RowsError,
    XGBoostModel,
    feature_matrix,
    feature_types,
)

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "CategoryEncoding",
    "DatasetReference",
    "LoadedModel",
    "ModelFileError",
    "ModelRegistry",
    "ModelVersion",
    "PredictiveModel",
    "RowsError",
    "TamperedModelError",
    "TrainingRecord",
    "XGBoostModel",
    "feature_matrix",
    "feature_types",
]
