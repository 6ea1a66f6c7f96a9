"""Feature, training and inference pipelines as Dagster assets over a feature store and a model registry.

What a system is written with is imported from here; nothing heavier than what is asked for gets loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore
    from fti_assets.model_registry import ModelRegistry
    from fti_assets.pipelines import (
        Progress,
        Relation,
        Schedule,
        Sql,
        batch_inference,
        code_location,
        collection_pipeline,
        feature_pipeline,
        model_validation,
        performance_monitoring,
        training_dataset,
        training_pipeline,
    )
    from fti_assets.training import FittedModel, TrainingData, XGBoostTrainer
    from fti_assets.vocabulary import (
        Column,
        Contract,
        CsvFile,
        CsvSource,
        Daily,
        Entity,
        Feature,
        FeatureGroup,
        FeatureView,
        Gate,
        Model,
        Monitor,
        Predictions,
        StagedTable,
        TimeSplit,
        TrainingDataset,
        Window,
        expect,
    )

_WHERE = {
    "fti_assets.feature_store": ("FeatureStore",),
    "fti_assets.model_registry": ("ModelRegistry",),
    "fti_assets.pipelines": (
        "Progress",
        "Relation",
        "Schedule",
        "Sql",
        "batch_inference",
        "code_location",
        "collection_pipeline",
        "feature_pipeline",
        "model_validation",
        "performance_monitoring",
        "training_dataset",
        "training_pipeline",
    ),
    "fti_assets.training": ("FittedModel", "TrainingData", "XGBoostTrainer"),
    "fti_assets.vocabulary": (
        "Column",
        "Contract",
        "CsvFile",
        "CsvSource",
        "Daily",
        "Entity",
        "Feature",
        "FeatureGroup",
        "FeatureView",
        "Gate",
        "Model",
        "Monitor",
        "Predictions",
        "StagedTable",
        "TimeSplit",
        "TrainingDataset",
        "Window",
        "expect",
    ),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULE)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'fti_assets' has no attribute '{name}'. It has: {', '.join(sorted(_MODULE))}.")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return sorted(_MODULE)
