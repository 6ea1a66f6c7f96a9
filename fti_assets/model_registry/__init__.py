"""Shared store 2: the model registry, MLflow behind one interface. Importing it imports neither MLflow nor a framework."""

from fti_assets.model_registry._studies import LoggedTrial
from fti_assets.model_registry.errors import ChampionChangedError, NeededVersionError, RegistryLockedError, TamperedModelError
from fti_assets.model_registry.lineage import Lineage
from fti_assets.model_registry.model_version import CHALLENGER, CHAMPION, PREVIOUS, LoadedModel, ModelVersion
from fti_assets.model_registry.promotion import Promotion
from fti_assets.model_registry.registry import ModelRegistry, Predicted
from fti_assets.model_registry.training_record import DatasetReference, TrainingRecord

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PREVIOUS",
    "ChampionChangedError",
    "DatasetReference",
    "Lineage",
    "LoadedModel",
    "LoggedTrial",
    "ModelRegistry",
    "ModelVersion",
    "NeededVersionError",
    "Predicted",
    "Promotion",
    "RegistryLockedError",
    "TamperedModelError",
    "TrainingRecord",
]
