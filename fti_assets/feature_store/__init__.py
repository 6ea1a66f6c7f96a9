"""Shared store 1: features in a DuckLake lake, published atomically, joined point-in-time. Usable without Dagster."""

from fti_assets.feature_store.backup import Backup, back_up, require_local
from fti_assets.feature_store.catalog import TableInfo
from fti_assets.feature_store.checksums import record_checksums
from fti_assets.feature_store.comparison import ColumnChange, DatasetComparison, Fact
from fti_assets.feature_store.comparison import compare as compare_datasets
from fti_assets.feature_store.contract_registry import ContractRevision
from fti_assets.feature_store.contracts import Change, Stored, describe
from fti_assets.feature_store.contracts import compare as compare_contracts
from fti_assets.feature_store.drafting import DRAFT
from fti_assets.feature_store.errors import (
    AddressError,
    BackupError,
    DamagedFilesError,
    HeldSnapshotError,
    IncompatibleContractError,
    LeakError,
    LockedError,
    MissingExtraError,
    MissingFeaturesError,
    PublishError,
    TagExistsError,
    UnreachableError,
)
from fti_assets.feature_store.holds import Hold, holds_of_models
from fti_assets.feature_store.join import event_time_column
from fti_assets.feature_store.lake import ConnectionPool, Connector, Lake, current_snapshot, in_memory_connection, instant_literal
from fti_assets.feature_store.maintenance import Maintenance, Space, carry_out, expire_snapshots, plan_maintenance
from fti_assets.feature_store.maintenance_plan import MaintenancePlan, RetentionPolicy, Step, spans
from fti_assets.feature_store.manifest import Manifest
from fti_assets.feature_store.publications import Publication
from fti_assets.feature_store.recreation import Recreation
from fti_assets.feature_store.repair import Dropped, drop_file
from fti_assets.feature_store.restore import Restoration, put_back, restore
from fti_assets.feature_store.snapshots import Snapshot
from fti_assets.feature_store.store import FeatureStore
from fti_assets.feature_store.tags import Tag
from fti_assets.feature_store.training_datasets import LABEL_TIME
from fti_assets.feature_store.verification import Damage, Verification, verify

__all__ = [
    "DRAFT",
    "LABEL_TIME",
    "AddressError",
    "Backup",
    "BackupError",
    "Change",
    "ColumnChange",
    "ConnectionPool",
    "Connector",
    "ContractRevision",
    "Damage",
    "DamagedFilesError",
    "DatasetComparison",
    "Dropped",
    "Fact",
    "FeatureStore",
    "HeldSnapshotError",
    "Hold",
    "IncompatibleContractError",
    "Lake",
    "LeakError",
    "LockedError",
    "Maintenance",
    "MaintenancePlan",
    "Manifest",
    "MissingExtraError",
    "MissingFeaturesError",
    "Publication",
    "PublishError",
    "Recreation",
    "Restoration",
    "RetentionPolicy",
    "Snapshot",
    "Space",
    "Step",
    "Stored",
    "TableInfo",
    "Tag",
    "TagExistsError",
    "UnreachableError",
    "Verification",
    "back_up",
    "carry_out",
    "compare_contracts",
    "compare_datasets",
    "current_snapshot",
    "describe",
    "drop_file",
    "event_time_column",
    "expire_snapshots",
    "holds_of_models",
    "in_memory_connection",
    "instant_literal",
    "plan_maintenance",
    "put_back",
    "record_checksums",
    "require_local",
    "restore",
    "spans",
    "verify",
]
