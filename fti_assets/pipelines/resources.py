"""The shared stores as Dagster resources."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection
from pydantic import Field

from fti_assets.collection import LandingZone
from fti_assets.feature_store import ConnectionPool, FeatureStore

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelRegistry


def data_root() -> Path:
    """Folder of the embedded stores: `$FTI_DATA_DIR`, or `data` in the working directory. Asked for at each use, not at import."""
    return Path(os.environ.get("FTI_DATA_DIR", "data"))


_POOLS: dict[str, ConnectionPool] = {}
_OPEN: list[ExitStack] = []


class LakeResource(DuckDBResource):
    """The feature store over pooled DuckDB instances; a connection is closed also when the work in it fails."""

    database: str = Field(default=":memory:", description="DuckDB database that the lake is attached to.")
    root: str | None = Field(
        default=None, description="Folder of the lake and the training datasets; `$FTI_DATA_DIR` unless given."
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
        return FeatureStore(self.root or data_root(), self.get_connection, memory_limit=self.memory_limit)


class LandingResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder into which partners deliver files."""

    root: str | None = Field(default=None, description="`landing` in `$FTI_DATA_DIR` unless given.")

    @property
    def zone(self) -> LandingZone:
        return LandingZone(Path(self.root) if self.root else data_root() / "landing")


class RegistryResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The model registry on MLflow; SQLite and a local folder unless a tracking server is named."""

    tracking_uri: str | None = Field(
        default=None,
        description="Where MLflow keeps runs and versions; `$MLFLOW_TRACKING_URI`, or SQLite in `$FTI_DATA_DIR`, unless given.",
    )

    @property
    def registry(self) -> ModelRegistry:
        from fti_assets.model_registry import ModelRegistry

        sqlite = f"sqlite:///{data_root().resolve() / 'mlflow' / 'mlflow.db'}"
        return ModelRegistry(self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", sqlite))
