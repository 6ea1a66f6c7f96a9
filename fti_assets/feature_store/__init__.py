"""Shared store 1: features in a DuckLake lake, published atomically, joined point-in-time. Usable without Dagster."""

from fti_assets.feature_store.catalog import Stored, TableInfo, describe
from fti_assets.feature_store.errors import (
    IncompatibleSchemaError,
    LeakError,
    LockedError,
    MissingFeaturesError,
    PublishError,
)
from fti_assets.feature_store.lake import ConnectionPool, Connector, Lake, current_snapshot, in_memory_connection, instant_literal
from fti_assets.feature_store.manifest import Manifest
from fti_assets.feature_store.point_in_time import event_time_column
from fti_assets.feature_store.publish import DRAFT, Publication
from fti_assets.feature_store.store import FeatureStore
from fti_assets.feature_store.training_datasets import LABEL_TIME

__all__ = [
    "DRAFT",
    "LABEL_TIME",
    "ConnectionPool",
    "Connector",
    "FeatureStore",
    "IncompatibleSchemaError",
    "Lake",
    "LeakError",
    "LockedError",
    "Manifest",
    "MissingFeaturesError",
    "Publication",
    "PublishError",
    "Stored",
    "TableInfo",
    "current_snapshot",
    "describe",
    "event_time_column",
    "in_memory_connection",
    "instant_literal",
]
