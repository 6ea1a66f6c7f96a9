"""The shared stores as Dagster resources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection
from pydantic import Field

from fti_assets import stores
from fti_assets.collection import LandingZone
from fti_assets.feature_store import ConnectionPool, FeatureStore
from fti_assets.stores import data_root

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelRegistry
    from fti_assets.online_store import OnlineStore

__all__ = ["InferenceLogResource", "LakeResource", "LandingResource", "OnlineResource", "RegistryResource", "data_root"]

_POOLS: dict[str, ConnectionPool] = {}
_OPEN: list[ExitStack] = []


class LakeResource(DuckDBResource):
    """The feature store over pooled DuckDB instances; a connection is closed also when the work in it fails."""

    database: str = Field(default=":memory:", description="DuckDB database that the lake is attached to.")
    root: str | None = Field(
        default=None, description="Folder of the lake and the training datasets; `$FTI_DATA_DIR` unless given."
    )
    catalog: str | None = Field(
        default=None,
        description="`postgres:host=... dbname=... user=...`, with the password in `$PGPASSWORD` or `~/.pgpass`, since the UI shows"
        " this text; `$FTI_LAKE_CATALOG`, or SQLite in `root`, unless given.",
    )
    data: str | None = Field(
        default=None,
        description="`s3://bucket/prefix`, with the credentials in AWS's variables; `$FTI_LAKE_DATA`, or a folder in `root`,"
        " unless given.",
    )
    memory_limit: str = Field(default="2GB", description="Memory of one connection; what exceeds it goes to disk.")

    @contextmanager
    def get_connection(self) -> Iterator[DuckDBPyConnection]:
        pool = _POOLS.setdefault(f"{self.database} {self.connection_config}", ConnectionPool(self._open_instance))
        with pool.connection() as connection:
            yield connection

    def _open_instance(self) -> DuckDBPyConnection:
        """A DuckDB instance as dagster-duckdb opens it; it stays open for the pool."""
        opened = ExitStack()
        _OPEN.append(opened)
        return opened.enter_context(super().get_connection())

    @property
    def store(self) -> FeatureStore:
        return FeatureStore(
            self.root or data_root(),
            self.get_connection,
            memory_limit=self.memory_limit,
            catalog=self.catalog or stores.lake_catalog(),
            data=self.data or stores.lake_data(),
        )


class LandingResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder into which partners deliver files."""

    root: str | None = Field(default=None, description="`landing` in `$FTI_DATA_DIR` unless given.")

    @property
    def zone(self) -> LandingZone:
        return LandingZone(Path(self.root) if self.root else stores.landing_folder())


class OnlineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The online store: LMDB in a folder, or Redis."""

    address: str | None = Field(
        default=None,
        description="A folder, or `redis://host:port/db`, without a password, since the UI shows this text; `$FTI_ONLINE_STORE`, or"
        " `online` in `$FTI_DATA_DIR`, unless given.",
    )

    @contextmanager
    def opened(self) -> Iterator[OnlineStore]:
        """The store for as long as the block lasts."""
        from fti_assets.online_store import OnlineStore

        store = OnlineStore(self.address or stores.online_address())
        try:
            yield store
        finally:
            store.close()


class InferenceLogResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder in which servers keep what they were asked until it is landed."""

    root: str | None = Field(default=None, description="`inference_log` in `$FTI_DATA_DIR` unless given.")

    def folder(self, model: str) -> Path:
        """Of the segments of a model."""
        return (Path(self.root) if self.root else stores.inference_log_folder()) / model


class RegistryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model registry on MLflow; SQLite and a local folder unless a tracking server is named."""

    tracking_uri: str | None = Field(
        default=None,
        description="Where MLflow keeps runs and versions, with user and password in `$MLFLOW_TRACKING_USERNAME` and"
        " `$MLFLOW_TRACKING_PASSWORD`, since the UI shows this text; `$MLFLOW_TRACKING_URI`, or SQLite in `$FTI_DATA_DIR`,"
        " unless given.",
    )

    @property
    def registry(self) -> ModelRegistry:
        from fti_assets.model_registry import ModelRegistry

        return ModelRegistry(self.tracking_uri or stores.tracking_uri())
