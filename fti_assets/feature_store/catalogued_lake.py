"""A lake as it is looked up and read: tables, what is known about them, and their states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import NotFoundError, not_found
from fti_assets.feature_store.catalogue.readers import Kind as ReaderKind
from fti_assets.feature_store.catalogue.readers import Reader, readers, register
from fti_assets.feature_store.catalogue.search import Match, find_group, search
from fti_assets.feature_store.catalogue.statistics import GroupStatistics
from fti_assets.feature_store.catalogue.statistics_scan import statistics
from fti_assets.feature_store.history import tags
from fti_assets.feature_store.history.as_of import AsOf, resolve
from fti_assets.feature_store.history.snapshots import Snapshot, snapshots
from fti_assets.feature_store.history.tags import Tag
from fti_assets.feature_store.lake import tables as catalog
from fti_assets.feature_store.lake.connections import Connector, in_memory_connection
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.lake.tables import TableInfo
from fti_assets.feature_store.publishing import contract_registry, publications
from fti_assets.feature_store.publishing.content_hash import content_hash
from fti_assets.feature_store.publishing.contract_registry import ContractRevision
from fti_assets.feature_store.publishing.publications import Publication
from fti_assets.feature_store.publishing.reading import read
from fti_assets.feature_store.publishing.schema import stored_columns
from fti_assets.vocabulary import FeatureGroup, FeatureView, Table, Window


@dataclass(frozen=True, slots=True)
class CataloguedLake:
    """What is in a lake: its tables with their definitions, publications, statistics and readers, and the states it had.

    Attributes:
        root: folder of the stores; the lake is `root/lake`, datasets are in `root/training_datasets`.
        lake: its catalogue and files are in `root/lake`, unless `catalog` and `data` say where they are; see `Lake`.
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
        catalog: str | None = None,
        data: str | None = None,
    ) -> None:
        object.__setattr__(self, "root", Path(root))
        object.__setattr__(self, "connector", connector)
        lake = Lake(Path(root) / "lake", connector, memory_limit, lock_timeout, catalog=catalog, data=data)
        object.__setattr__(self, "lake", lake)

    def connect(self, *, snapshot: int | None = None) -> AbstractContextManager[DuckDBPyConnection]:
        """A connection with the lake attached as `lake`; with `snapshot`, as it was then and read-only."""
        return self.lake.connect(snapshot=snapshot)

    @contextmanager
    def connect_existing(self) -> Iterator[DuckDBPyConnection]:
        """The same, to a lake that is there: none is made by looking.

        Raises:
            NotFoundError: nothing was ever published.
        """
        if not self.lake.is_there:
            raise NotFoundError(f"There is no lake in {self.lake.catalog}: nothing was ever published.")
        with self.connect() as connection:
            yield connection

    @contextmanager
    def reading(self, as_of: AsOf = None) -> Iterator[DuckDBPyConnection]:
        """A connection pinned to one state of the lake, the newest unless given, so that several reads agree.

        Args:
            as_of: the number of a snapshot, a tag, or an instant: the newest snapshot at or before it; a naive one is in UTC.

        Raises:
            NotFoundError: there is no such snapshot or tag, or what the lake was then has expired.
        """
        if isinstance(as_of, bool) or not isinstance(as_of, int):
            with self.connect() if as_of is None else self.connect_existing() as connection:
                as_of = resolve(connection, as_of)
        with self.connect(snapshot=as_of) as connection:
            yield connection

    def snapshots(self) -> list[Snapshot]:
        """The states of the lake that are kept, oldest first."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return snapshots(connection)

    def tag(self, name: str, snapshot: int | None = None, reason: str = "") -> Tag:
        """Names a snapshot, the newest unless one is given, so that it does not expire.

        Raises:
            NotFoundError: there is no such snapshot.
            TagExistsError: the name is that of another snapshot.
        """
        with self.connect_existing() as connection:
            return tags.tag(self.lake, connection, name, snapshot, reason=reason)

    def untag(self, name: str) -> Tag:
        """Takes a name away from its snapshot, which may expire then.

        Raises:
            NotFoundError: there is no such tag; the error names those that exist.
        """
        with self.connect_existing() as connection:
            return tags.untag(self.lake, connection, name)

    def tags(self) -> list[Tag]:
        """The names of snapshots, by name."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return tags.tags(connection)

    def exists(self, connection: DuckDBPyConnection, table: Table) -> bool:
        return bool(stored_columns(connection, table))

    def read(self, connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> DuckDBPyRelation:
        """The rows of a table within `window`, or all; an unpublished table reads as an empty one.

        Raises:
            MissingFeaturesError: the table was published before the definition had all of its columns.
        """
        return read(connection, table, window)

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

    def group(self, name: str) -> TableInfo:
        """A feature group by its name, the newest version unless the name has one.

        Raises:
            NotFoundError: there is none of that name.
        """
        return find_group(self.tables("features"), name)

    def search(self, text: str) -> list[Match]:
        """The feature groups in which every word is found, the best first: see `catalogue.search`."""
        return search(self.tables("features"), text)

    def statistics(
        self, group: FeatureGroup | str, window: Window | None = None, *, by: Literal["day"] | None = None
    ) -> GroupStatistics:
        """What the values of a group are: counts, moments, percentiles, histograms; with `by="day"` for each day as well.

        Args:
            group: a definition or a name, see `group`.
            window: of the rows to describe; None for all.
            by: `day` describes each day of the group's calendar too.

        Raises:
            NotFoundError: there is no such group.
        """
        info = self.group(group if isinstance(group, str) else group.versioned_name)
        with self.reading() as connection:
            return statistics(connection, info.name, info.description, window, by_day=by == "day")

    def register_reader(self, kind: ReaderKind, name: str, view: FeatureView) -> bool:
        """Records who reads through a view: see `readers.register`."""
        return register(self.lake, kind, name, view)

    def readers(self, table: str | None = None) -> list[Reader]:
        """The training datasets and predictions that read a table (`features.x_v1`), or any."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return readers(connection, table)

    def publications(self, table: str, limit: int = 20) -> list[Publication]:
        """Publications of a table (`features.x_v1`), newest first; expired snapshots make no difference."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return publications.publications(connection, table, limit)

    def last_published(self) -> dict[str, datetime]:
        """When each table was last published, by `schema.name`."""
        if not self.lake.is_there:
            return {}
        with self.connect() as connection:
            return publications.last_published(connection)

    def unpublished_days(self, connection: DuckDBPyConnection, table: Table, window: Window) -> list[str]:
        """The partitions of `window` that no publication of the table covers; emptiness that was published counts as covered."""
        return publications.unpublished_days(connection, table, window)

    def content_hash(self, table: Table, window: Window | None = None, *, as_of: AsOf = None) -> str:
        """SHA-256 of the promised columns of a table, whatever its files: see `publishing.content_hash`."""
        with self.reading(as_of) as connection:
            return content_hash(connection, table, window)

    def contract(self, schema: str, name: str, revision: int | None = None) -> dict[str, Any]:
        """One registered contract of a table, the newest unless given.

        Raises:
            NotFoundError: there is none; the error names those that exist.
        """
        return contract_registry.find(self.contracts(schema, name), f"{schema}.{name}", revision).contract

    def contracts(self, schema: str, name: str) -> list[ContractRevision]:
        """The registered contracts of a table, oldest first: when each was recorded, and what it changed."""
        if not self.lake.is_there:
            return []
        with self.connect() as connection:
            return contract_registry.contracts(connection, f"{schema}.{name}")
