"""The feature store: the lake's tables and the stored training datasets behind one object. Needs no Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import not_found
from fti_assets.feature_store import catalog, training_datasets
from fti_assets.feature_store import publish as publishing
from fti_assets.feature_store.catalog import Stored, TableInfo, describe
from fti_assets.feature_store.lake import Connector, Lake, current_snapshot, in_memory_connection, table_exists
from fti_assets.feature_store.manifest import Manifest, find, stored
from fti_assets.feature_store.point_in_time import complete
from fti_assets.feature_store.publish import Publication
from fti_assets.feature_store.reading import read
from fti_assets.vocabulary import FeatureView, Table, TrainingDataset, Window


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features, staged data and predictions in a lake, and the training datasets cut from it.

    Attributes:
        root: folder of the stores; the lake is `root/lake`, datasets are in `root/training_datasets`.
    """

    root: Path
    connector: Connector = in_memory_connection
    lake: Lake = field(init=False)

    def __init__(
        self,
        root: Path | str,
        connector: Connector = in_memory_connection,
        *,
        memory_limit: str = "2GB",
        lock_timeout: float = 300.0,
    ) -> None:
        object.__setattr__(self, "root", Path(root))
        object.__setattr__(self, "connector", connector)
        object.__setattr__(self, "lake", Lake(Path(root) / "lake", connector, memory_limit, lock_timeout))

    def connect(self, *, snapshot: int | None = None) -> AbstractContextManager[DuckDBPyConnection]:
        """A connection with the lake attached as `lake`; with `snapshot`, as it was then and read-only."""
        return self.lake.connect(snapshot=snapshot)

    @contextmanager
    def reading(self, snapshot: int | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection pinned to one snapshot, the newest unless given, so that several reads agree."""
        if snapshot is None:
            with self.connect() as connection:
                snapshot = current_snapshot(connection)
        with self.connect(snapshot=snapshot) as connection:
            yield connection

    def publish(self, target: Stored, rows: Any, window: Window | None = None, *, run: str = "") -> Publication:
        """Publishes `rows` in place of what `window` of the target held, atomically.

        Expectations are not checked here: a pipeline validates the draft before it publishes.

        Raises:
            PublishError: the rows do not fit; nothing was changed.
            LockedError: another writer did not finish in time.
        """
        own = rows.to_arrow_table() if isinstance(rows, DuckDBPyRelation) else rows  # a relation lives in another connection
        with self.connect() as connection:
            publishing.draft(connection, target.table, own, window)
            return self.publish_draft(connection, target, window, run=run)

    def draft(self, connection: DuckDBPyConnection, table: Table, rows: Any, window: Window | None) -> int:
        """See `fti_assets.feature_store.publish.draft`."""
        return publishing.draft(connection, table, rows, window)

    def publish_draft(self, connection: DuckDBPyConnection, target: Stored, window: Window | None, *, run: str = "") -> Publication:
        """Makes the draft of `connection` visible: see `fti_assets.feature_store.publish.publish`."""
        return publishing.publish(self.lake, connection, target.table, window, comment=describe(target), run=run)

    def append(self, connection: DuckDBPyConnection, table: Table, rows: Any, *, description: str, run: str = "") -> None:
        """Adds rows to a table that keeps history."""
        publishing.append(self.lake, connection, table, rows, comment={"description": description}, run=run)

    def exists(self, connection: DuckDBPyConnection, table: Table) -> bool:
        return table_exists(connection, table)

    def read(self, connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> DuckDBPyRelation:
        """The rows of a table within `window`, or all; an unpublished table reads as an empty one.

        Raises:
            MissingFeaturesError: the table was published before the definition had all of its columns.
        """
        return read(connection, table, window)

    def complete(self, connection: DuckDBPyConnection, spine: DuckDBPyRelation, view: FeatureView) -> DuckDBPyRelation:
        """The point-in-time join: see `fti_assets.feature_store.point_in_time.complete`."""
        return complete(connection, spine, view)

    def cut(
        self, dataset: TrainingDataset, cutoff: date, *, code_version: str, snapshot: int | None = None
    ) -> tuple[Path, Manifest]:
        """Cuts a training dataset, from the newest snapshot unless one is given."""
        with self.reading(snapshot) as connection:
            return training_datasets.cut(connection, dataset, cutoff, self.datasets_folder(dataset.name), code_version=code_version)

    def audit(self, folder: Path, view: FeatureView) -> dict[str, int]:
        """Rows of a stored dataset that break a promise, by promise: see `fti_assets.feature_store.training_datasets.audit`."""
        return training_datasets.audit(folder, view)

    def datasets_folder(self, name: str) -> Path:
        return self.root / "training_datasets" / name

    def dataset_names(self) -> list[str]:
        return sorted(path.name for path in (self.root / "training_datasets").glob("*") if path.is_dir())

    def datasets(self, name: str) -> list[tuple[Path, Manifest]]:
        """The stored versions of a dataset, oldest first."""
        return stored(self.datasets_folder(name))

    def dataset(self, name: str, dataset_id: str | None = None) -> tuple[Path, Manifest]:
        """One stored version of a dataset, the newest unless given.

        Raises:
            NotFoundError: there is none; the error names those that exist.
        """
        return find(self.datasets_folder(name), name, dataset_id)

    def tables(self, schema: str | None = None) -> list[TableInfo]:
        """The tables of the lake with their sizes and descriptions."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return catalog.tables(connection, schema)

    def table(self, schema: str, name: str) -> TableInfo:
        """One table of the lake.

        Raises:
            NotFoundError: there is none of that name.
        """
        known = {info.name: info for info in self.tables(schema)}
        if name not in known:
            raise not_found("Table", name, known, where=f"'{schema}'", next_step="Materialise its asset to publish it.")
        return known[name]

    def history(self, table: str, limit: int = 20) -> list[tuple[int, datetime, str, dict[str, Any]]]:
        """Publications of a table (`features.x_v1`), newest first: snapshot, time, run and what was published."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return catalog.history(connection, table, limit)

    def unpublished_days(self, connection: DuckDBPyConnection, table: Table, window: Window) -> list[str]:
        """The partitions of `window` that no publication of the table covers; emptiness that was published counts as covered."""
        return catalog.unpublished_days(connection, table, window)
