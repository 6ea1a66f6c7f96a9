"""Shared store 1: features in a DuckLake lake, published atomically, joined point-in-time. Usable without Dagster."""

from fti_assets.feature_store.care.backup import Backup, back_up, require_local
from fti_assets.feature_store.care.checksums import record_checksums
from fti_assets.feature_store.care.maintenance import Maintenance, Space, carry_out, expire_snapshots, plan_maintenance
from fti_assets.feature_store.care.maintenance_plan import MaintenancePlan, RetentionPolicy, Step, spans
from fti_assets.feature_store.care.repair import Dropped, drop_file
from fti_assets.feature_store.care.restore import Restoration, put_back, restore
from fti_assets.feature_store.care.verification import Damage, Verification, verify
from fti_assets.feature_store.datasets.comparison import ColumnChange, DatasetComparison, Fact
from fti_assets.feature_store.datasets.comparison import compare as compare_datasets
from fti_assets.feature_store.datasets.manifest import Manifest
from fti_assets.feature_store.datasets.recreation import Recreation
from fti_assets.feature_store.datasets.training_datasets import LABEL_TIME
from fti_assets.feature_store.errors import (
    AddressError,
    BackupError,
    DamagedFilesError,
    DiskFullError,
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
from fti_assets.feature_store.history.holds import Hold, holds_of_models
from fti_assets.feature_store.history.snapshots import Snapshot
from fti_assets.feature_store.history.tags import Tag
from fti_assets.feature_store.lake.connections import ConnectionPool, Connector, in_memory_connection
from fti_assets.feature_store.lake.lake import Lake, current_snapshot, instant_literal
from fti_assets.feature_store.lake.tables import TableInfo
from fti_assets.feature_store.point_in_time.join import event_time_column
from fti_assets.feature_store.publishing.contract_registry import ContractRevision
from fti_assets.feature_store.publishing.contracts import Change, Stored, describe
from fti_assets.feature_store.publishing.contracts import compare as compare_contracts
from fti_assets.feature_store.publishing.drafting import DRAFT
from fti_assets.feature_store.publishing.publications import Publication
from fti_assets.feature_store.store import FeatureStore

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
    "DiskFullError",
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
