"""Feature, training and inference pipelines as Dagster assets over a feature store and a model registry.

What a system is written with is imported from here; nothing heavier than what is asked for gets loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore as FeatureStore
    from fti_assets.model_registry import ModelRegistry as ModelRegistry
    from fti_assets.pipelines import Relation as Relation
    from fti_assets.pipelines import Schedule as Schedule
    from fti_assets.pipelines import Sql as Sql
    from fti_assets.pipelines import batch_inference as batch_inference
    from fti_assets.pipelines import code_location as code_location
    from fti_assets.pipelines import collection_pipeline as collection_pipeline
    from fti_assets.pipelines import feature_pipeline as feature_pipeline
    from fti_assets.pipelines import inference_log as inference_log
    from fti_assets.pipelines import model_validation as model_validation
    from fti_assets.pipelines import online_performance_monitoring as online_performance_monitoring
    from fti_assets.pipelines import online_table as online_table
    from fti_assets.pipelines import performance_monitoring as performance_monitoring
    from fti_assets.pipelines import skew_monitoring as skew_monitoring
    from fti_assets.pipelines import training_dataset as training_dataset
    from fti_assets.pipelines import training_pipeline as training_pipeline
    from fti_assets.training import FittedModel as FittedModel
    from fti_assets.training import HistogramTrainer as HistogramTrainer
    from fti_assets.training import LinearTrainer as LinearTrainer
    from fti_assets.training import TorchTrainer as TorchTrainer
    from fti_assets.training import TrainingData as TrainingData
    from fti_assets.training import TrainingRun as TrainingRun
    from fti_assets.training import XGBoostTrainer as XGBoostTrainer
    from fti_assets.training import train as train
    from fti_assets.training import training_program as training_program
    from fti_assets.vocabulary import REQUEST_TIME as REQUEST_TIME
    from fti_assets.vocabulary import Categorical as Categorical
    from fti_assets.vocabulary import Column as Column
    from fti_assets.vocabulary import Contract as Contract
    from fti_assets.vocabulary import CsvFile as CsvFile
    from fti_assets.vocabulary import CsvSource as CsvSource
    from fti_assets.vocabulary import Daily as Daily
    from fti_assets.vocabulary import Deprecation as Deprecation
    from fti_assets.vocabulary import Entity as Entity
    from fti_assets.vocabulary import Feature as Feature
    from fti_assets.vocabulary import FeatureGroup as FeatureGroup
    from fti_assets.vocabulary import FeatureView as FeatureView
    from fti_assets.vocabulary import Gate as Gate
    from fti_assets.vocabulary import InferenceLog as InferenceLog
    from fti_assets.vocabulary import Model as Model
    from fti_assets.vocabulary import Monitor as Monitor
    from fti_assets.vocabulary import Numeric as Numeric
    from fti_assets.vocabulary import OnDemand as OnDemand
    from fti_assets.vocabulary import OnlineMonitor as OnlineMonitor
    from fti_assets.vocabulary import Predictions as Predictions
    from fti_assets.vocabulary import RandomSplit as RandomSplit
    from fti_assets.vocabulary import SkewMonitor as SkewMonitor
    from fti_assets.vocabulary import StagedTable as StagedTable
    from fti_assets.vocabulary import TimeSplit as TimeSplit
    from fti_assets.vocabulary import TrainingDataset as TrainingDataset
    from fti_assets.vocabulary import Window as Window
    from fti_assets.vocabulary import aggregate as aggregate
    from fti_assets.vocabulary import expect as expect
    from fti_assets.vocabulary import on_demand as on_demand

_WHERE = {
    "fti_assets.feature_store": ("FeatureStore",),
    "fti_assets.model_registry": ("ModelRegistry",),
    "fti_assets.pipelines": (
        "Relation",
        "Schedule",
        "Sql",
        "batch_inference",
        "code_location",
        "collection_pipeline",
        "feature_pipeline",
        "inference_log",
        "model_validation",
        "online_performance_monitoring",
        "online_table",
        "performance_monitoring",
        "skew_monitoring",
        "training_dataset",
        "training_pipeline",
    ),
    "fti_assets.training": (
        "FittedModel",
        "HistogramTrainer",
        "LinearTrainer",
        "TorchTrainer",
        "TrainingData",
        "TrainingRun",
        "XGBoostTrainer",
        "train",
        "training_program",
    ),
    "fti_assets.vocabulary": (
        "Categorical",
        "Column",
        "Contract",
        "CsvFile",
        "CsvSource",
        "Daily",
        "Deprecation",
        "Entity",
        "Feature",
        "FeatureGroup",
        "FeatureView",
        "Gate",
        "InferenceLog",
        "Model",
        "Monitor",
        "Numeric",
        "OnDemand",
        "OnlineMonitor",
        "Predictions",
        "REQUEST_TIME",
        "RandomSplit",
        "SkewMonitor",
        "StagedTable",
        "TimeSplit",
        "TrainingDataset",
        "Window",
        "aggregate",
        "expect",
        "on_demand",
    ),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'fti_assets' has no attribute '{name}'. It has: {', '.join(sorted(_MODULE))}.")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return sorted(_MODULE)
