"""The feature store: the lake's tables and the stored training datasets behind one object. Needs no Dagster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store.catalogue.deprecation import warn_of_deprecated
from fti_assets.feature_store.catalogued_lake import CataloguedLake
from fti_assets.feature_store.datasets import training_datasets
from fti_assets.feature_store.datasets.manifest import Manifest, find, stored
from fti_assets.feature_store.datasets.recreation import Recreation, recreate
from fti_assets.feature_store.history.holds import Hold, holds_of_datasets, holds_of_tags
from fti_assets.feature_store.lake.lake import current_snapshot
from fti_assets.feature_store.point_in_time.completed import Completed, Piece
from fti_assets.feature_store.point_in_time.join import Join
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.feature_store.publishing import corrections, drafting
from fti_assets.feature_store.publishing import publish as publishing
from fti_assets.feature_store.publishing.contracts import Stored
from fti_assets.feature_store.publishing.publications import Publication
from fti_assets.version import code_version
from fti_assets.vocabulary import FeatureGroup, FeatureView, Selection, Table, TrainingDataset, Window


@dataclass(frozen=True, slots=True, init=False)
class FeatureStore(CataloguedLake):
    """Features, staged data and predictions in a lake, and the training datasets cut from it."""

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

        return Completed(rows, join.names, pieces, join.computed)

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


def _own(rows: Any) -> Any:
    """The rows, independent of the connection that a relation lives in."""
    return rows.to_arrow_table() if isinstance(rows, DuckDBPyRelation) else rows
