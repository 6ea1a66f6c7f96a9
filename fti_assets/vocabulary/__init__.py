"""What things are: entities, feature groups, views, models and their contracts. Plain data without I/O."""

from typing import TYPE_CHECKING, Any

from fti_assets.vocabulary.aggregate import Aggregate, aggregate
from fti_assets.vocabulary.contract import Contract, Expectation, Severity, expect
from fti_assets.vocabulary.entity import Entity
from fti_assets.vocabulary.feature_group import (
    Deprecation,
    FeatureGroup,
    FeatureSelection,
    Reach,
    Selection,
    StagedTable,
    WindowedSelection,
)
from fti_assets.vocabulary.feature_view import FeatureView, check_roles, column_sources, groups_of, join_sources
from fti_assets.vocabulary.inference_log import FLOAT_TOLERANCE, InferenceLog, OnlineMonitor, SkewMonitor, spine_columns
from fti_assets.vocabulary.metric import LOWER_IS_BETTER, METRICS
from fti_assets.vocabulary.model import Costs, Gate, Model
from fti_assets.vocabulary.names import checked_name, quoted
from fti_assets.vocabulary.on_demand import REQUEST_TIME, OnDemand, OnDemandError, on_demand
from fti_assets.vocabulary.predictions import Monitor, Predictions
from fti_assets.vocabulary.source import CsvFile, CsvSource
from fti_assets.vocabulary.split import SPLITS, RandomSplit, Split, SplitName, TimeSplit
from fti_assets.vocabulary.table import Column, ColumnType, Feature, Table
from fti_assets.vocabulary.training_dataset import TrainingDataset
from fti_assets.vocabulary.transformation import Categorical, Numeric, Transformation, transformation_of
from fti_assets.vocabulary.window import Daily, Window

if TYPE_CHECKING:
    from fti_assets.vocabulary.arrays import Array, as_array, as_values

__all__ = [
    "FLOAT_TOLERANCE",
    "LOWER_IS_BETTER",
    "METRICS",
    "REQUEST_TIME",
    "SPLITS",
    "Aggregate",
    "Array",
    "Categorical",
    "Column",
    "ColumnType",
    "Contract",
    "Costs",
    "CsvFile",
    "CsvSource",
    "Daily",
    "Deprecation",
    "Entity",
    "Expectation",
    "Feature",
    "FeatureGroup",
    "FeatureSelection",
    "FeatureView",
    "Gate",
    "InferenceLog",
    "Model",
    "Monitor",
    "Numeric",
    "OnDemand",
    "OnDemandError",
    "OnlineMonitor",
    "Predictions",
    "RandomSplit",
    "Reach",
    "Selection",
    "Severity",
    "SkewMonitor",
    "Split",
    "SplitName",
    "StagedTable",
    "Table",
    "TimeSplit",
    "TrainingDataset",
    "Transformation",
    "Window",
    "WindowedSelection",
    "aggregate",
    "as_array",
    "as_values",
    "check_roles",
    "checked_name",
    "column_sources",
    "expect",
    "groups_of",
    "join_sources",
    "on_demand",
    "quoted",
    "spine_columns",
    "transformation_of",
]

_ARRAYS = ("Array", "as_array", "as_values")


def __getattr__(name: str) -> Any:
    """Loads numpy when arrays are first needed."""
    if name not in _ARRAYS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'. It has: {', '.join(__all__)}.")
    from fti_assets.vocabulary import arrays

    return getattr(arrays, name)
