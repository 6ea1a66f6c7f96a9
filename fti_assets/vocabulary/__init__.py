"""What things are: entities, feature groups, views, models and their contracts. Plain data without I/O."""

from fti_assets.vocabulary.contract import Contract, Expectation, Severity, expect
from fti_assets.vocabulary.feature_group import Entity, FeatureGroup, FeatureSelection, Reach, StagedTable
from fti_assets.vocabulary.feature_view import FeatureView
from fti_assets.vocabulary.model import SPLITS, Gate, Model, Monitor, Predictions, SplitName, TimeSplit, TrainingDataset
from fti_assets.vocabulary.names import checked_name, quoted
from fti_assets.vocabulary.source import CsvFile, CsvSource
from fti_assets.vocabulary.table import Column, ColumnType, Feature, Table
from fti_assets.vocabulary.window import Daily, Window

__all__ = [
    "SPLITS",
    "Column",
    "ColumnType",
    "Contract",
    "CsvFile",
    "CsvSource",
    "Daily",
    "Entity",
    "Expectation",
    "Feature",
    "FeatureGroup",
    "FeatureSelection",
    "FeatureView",
    "Gate",
    "Model",
    "Monitor",
    "Predictions",
    "Reach",
    "Severity",
    "SplitName",
    "StagedTable",
    "Table",
    "TimeSplit",
    "TrainingDataset",
    "Window",
    "checked_name",
    "expect",
    "quoted",
]
