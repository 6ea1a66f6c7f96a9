"""The feature store: the lake's tables and the stored training datasets behind one object. Needs no Dagster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import NotFoundError, not_found
from fti_assets.feature_store.catalogue.deprecation import warn_of_deprecated
from fti_assets.feature_store.catalogue.readers import Kind as ReaderKind
from fti_assets.feature_store.catalogue.readers import Reader, readers, register
from fti_assets.feature_store.catalogue.search import Match, find_group, search
from fti_assets.feature_store.catalogue.statistics import GroupStatistics
from fti_assets.feature_store.catalogue.statistics_scan import statistics
from fti_assets.feature_store.datasets import training_datasets
from fti_assets.feature_store.datasets.manifest import Manifest, find, stored
from fti_assets.feature_store.datasets.recreation import Recreation, recreate
from fti_assets.feature_store.history import tags
from fti_assets.feature_store.history.as_of import AsOf, resolve
from fti_assets.feature_store.history.holds import Hold, holds_of_datasets, holds_of_tags
from fti_assets.feature_store.history.snapshots import Snapshot, snapshots
from fti_assets.feature_store.history.tags import Tag
from fti_assets.feature_store.lake import tables as catalog
from fti_assets.feature_store.lake.lake import Connector, Lake, current_snapshot, in_memory_connection
from fti_assets.feature_store.lake.tables import TableInfo
from fti_assets.feature_store.point_in_time.completed import Completed, Piece
from fti_assets.feature_store.point_in_time.join import Join
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.feature_store.publishing import contract_registry, corrections, drafting, publications
from fti_assets.feature_store.publishing import publish as publishing
from fti_assets.feature_store.publishing.content_hash import content_hash
from fti_assets.feature_store.publishing.contract_registry import ContractRevision
from fti_assets.feature_store.publishing.contracts import Stored
from fti_assets.feature_store.publishing.publications import Publication
from fti_assets.feature_store.publishing.reading import read
from fti_assets.feature_store.publishing.schema import stored_columns
from fti_assets.version import code_version
from fti_assets.vocabulary import FeatureGroup, FeatureView, Selection, Table, TrainingDataset, Window


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features, staged data and predictions in a lake, and the training datasets cut from it.

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

    def holds(self) -> list[Hold]:
        """What refers to snapshots here: stored training datasets and tags. Models are in another store, see `holds_of_models`."""
        manifests = [manifest for name in self.dataset_names() for _, manifest in self.datasets(name)]
        return [*holds_of_datasets(manifests), *holds_of_tags(self.tags())]

    def publish(
        self,
        target: Stored,
        rows: Any,
        window: Window | None = None,
        *,
        run: str = "",
        code_version: str = "",
        may_be_empty: bool = False,
        published_at: datetime | None = None,
    ) -> Publication:
        """Publishes `rows` in place of what `window` of the target held, atomically.

        Expectations are not checked here: a pipeline validates the draft before it publishes.

        Args:
            target: what the rows are of.
            rows: a relation, or a pandas, polars or pyarrow table.
            window: needed when the target has a time.
            run: kept with the publication, so is `code_version`.
            code_version: of what made the rows.
            may_be_empty: whether a window without rows is published as such.
            published_at: when the rows were first published, for history that is imported; now unless given.

        Raises:
            PublishError: the rows do not fit, or there are none; nothing was changed.
            IncompatibleContractError: the definition would break those who read the published table; nothing was changed.
            LockedError: another writer did not finish in time.
        """
        with self.connect() as connection:
            drafting.draft(connection, target.table, _own(rows), window)
            return self.publish_draft(
                connection, target, window, run=run, code_version=code_version, may_be_empty=may_be_empty, published_at=published_at
            )

    def draft(self, connection: DuckDBPyConnection, table: Table, rows: Any, window: Window | None) -> int:
        """See `drafting.draft`."""
        return drafting.draft(connection, table, rows, window)

    def publish_draft(
        self,
        connection: DuckDBPyConnection,
        target: Stored,
        window: Window | None,
        *,
        run: str = "",
        code_version: str = "",
        may_be_empty: bool = False,
        published_at: datetime | None = None,
    ) -> Publication:
        """Makes the draft of `connection` visible: see `publish.publish`."""
        return publishing.publish(
            self.lake,
            connection,
            target,
            window,
            run=run,
            code_version=code_version,
            may_be_empty=may_be_empty,
            published_at=published_at,
        )

    def upsert(self, group: FeatureGroup, rows: Any, *, run: str = "", published_at: datetime | None = None) -> Publication:
        """Puts rows in place of those of the same entity and event time, or adds them: see `corrections.upsert`."""
        with self.connect() as connection:
            return corrections.upsert(self.lake, connection, group, _own(rows), run=run, published_at=published_at)

    def retract(self, group: FeatureGroup, keys: Any, *, run: str = "", published_at: datetime | None = None) -> Publication:
        """Withdraws the rows of some entities and event times: see `corrections.retract`."""
        with self.connect() as connection:
            return corrections.retract(self.lake, connection, group, _own(keys), run=run, published_at=published_at)

    def append(self, connection: DuckDBPyConnection, table: Table, rows: Any, *, description: str, run: str = "") -> Publication:
        """Adds rows to a table that keeps history."""
        return publishing.append(self.lake, connection, table, rows, description=description, run=run)

    def exists(self, connection: DuckDBPyConnection, table: Table) -> bool:
        return bool(stored_columns(connection, table))

    def read(self, connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> DuckDBPyRelation:
        """The rows of a table within `window`, or all; an unpublished table reads as an empty one.

        Raises:
            MissingFeaturesError: the table was published before the definition had all of its columns.
        """
        return read(connection, table, window)

    def get_features(
        self,
        features: FeatureView | Sequence[Selection],
        spine: Any = None,
        *,
        at: str | None = None,
        between: Window | None = None,
        known_at: datetime | str | None = None,
        as_of: int | str | datetime | None = None,
        event_times: bool = False,
    ) -> Completed:
        """Completes the rows of a spine with features, each value as known at the time of its row.

        Nothing is read until the result is asked for: `.to_pandas()`, `.to_polars()`, `.to_arrow()`, `.to_parquet(path)`.
        See `docs/point-in-time.md` for what a row gets to see.

        Args:
            features: a view, or selections such as `WEATHER["temp_f"]` and `TRIPS.windowed(...)`.
            spine: pandas, polars or pyarrow table, DuckDB relation or path of a Parquet file; the rows of the view's own spine
                between two times unless given.
            at: column with the time of each row; that of the view unless given.
            between: window of the view's spine, where no spine is given.
            known_at: only values published by then are visible: an instant, or a column of the spine.
            as_of: snapshot, tag or time whose state of the lake is read; the newest unless given.
            event_times: whether the event time of each value is joined as well.

        Raises:
            NotFoundError: a column or feature is missing.
            DefinitionError: names clash, types differ, or the request contradicts itself.
            MissingFeaturesError: a group was never published.
        """
        from fti_assets.feature_store.point_in_time import joining  # loads numba (0.5 s)

        joining.load_compiled_code()
        join = Join.of(features, at=at, known_at=known_at, event_times=event_times)
        with self.reading(as_of) as connection:
            snapshot = current_snapshot(connection)
            rows = Spine.of(joining.own_spine(connection, features, between) if spine is None else spine)
            joining.check(connection, rows, join)

        def pieces() -> Iterator[Piece]:
            with self.reading(snapshot) as connection:
                yield from joining.pieces(connection, rows, join)

        return Completed(rows, join.names, pieces)

    def complete(
        self, connection: DuckDBPyConnection, spine: Any, features: FeatureView | Sequence[Selection], *, event_times: bool = False
    ) -> Completed:
        """The same on a connection that is open already, and as it sees the lake."""
        from fti_assets.feature_store.point_in_time.joining import complete

        return complete(connection, Spine.of(spine), Join.of(features, event_times=event_times))

    def cut(
        self, dataset: TrainingDataset, cutoff: date, *, code_version: str, snapshot: int | None = None
    ) -> tuple[Path, Manifest]:
        """Cuts a training dataset, from the newest snapshot unless one is given; its view is registered as a reader."""
        if self.lake.is_there:
            self.register_reader("training_datasets", dataset.name, dataset.view)
        with self.reading(snapshot) as connection:
            warn_of_deprecated(dataset.view.groups, connection)
            return training_datasets.cut(connection, dataset, cutoff, self.datasets_folder(dataset.name), code_version=code_version)

    def recreate(self, name: str, dataset_id: str | None = None) -> Recreation:
        """Cuts a stored dataset again, from what its manifest says: see `recreation.recreate`.

        Raises:
            NotFoundError: there is no such dataset, or its snapshot has expired.
            FtiError: its manifest is from before definitions were kept.
        """
        folder, manifest = self.dataset(name, dataset_id)
        return recreate(lambda snapshot: self.reading(snapshot), folder, manifest, code_version=code_version())

    def audit(self, folder: Path, view: FeatureView) -> dict[str, int]:
        """Rows of a stored dataset that break a promise, by promise: see `training_datasets.audit`."""
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


def _own(rows: Any) -> Any:
    """The rows, independent of the connection that a relation lives in."""
    return rows.to_arrow_table() if isinstance(rows, DuckDBPyRelation) else rows
