"""The online store: the newest rows of feature groups and the events of windows, behind one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fti_assets.online_store import tables, windows
from fti_assets.online_store.backend import OnlineBackend, Reader, Writer
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.features import OnlineFeatures
from fti_assets.online_store.given import Given, Withdrawn
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.loading import AsOf, Updated, replace_rows, update_rows
from fti_assets.online_store.tables import OnlineTable
from fti_assets.vocabulary import FeatureGroup, FeatureView

if TYPE_CHECKING:
    import pyarrow as pa

    from fti_assets.online_store.lookup import OnlineView


class OnlineStore:
    """The newest values of entities, for predictions at the moment of asking.

    Readers never wait for writers, and see all of a change or nothing of it. There is one writer at a time, in any process.
    """

    def __init__(self, address: str | Path) -> None:
        """Nothing is connected and nothing is made by looking.

        Args:
            address: a folder, or `redis://host:port/db`.

        Raises:
            OnlineStoreError: the address is none, or needs an extra that is not installed.
        """
        self.address = address
        self.backend: OnlineBackend = _backend(address)
        self._views: dict[int, OnlineView] = {}  # by identity: to hash a view takes longer than to read it

    def __str__(self) -> str:
        return f"the online store {self.backend}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what is open. A closed store opens again when it is used."""
        self.backend.close()

    def reading(self) -> AbstractContextManager[Reader]:
        """One state of all tables: see `OnlineBackend.reading`."""
        return self.backend.reading()

    def writing(self) -> AbstractContextManager[Writer]:
        """A transaction: see `OnlineBackend.writing`."""
        return self.backend.writing()

    def replace(
        self,
        group: FeatureGroup,
        rows: pa.Table,
        *,
        snapshot: int | None = None,
        published_until: datetime | None = None,
        until: datetime | None = None,
    ) -> OnlineTable:
        """Puts rows in place of all that is kept of a group: the newest of each entity. Readers see the old table or the new.

        Args:
            group: what the rows are of.
            rows: its columns; `_published_at` may say when each was published, now unless given.
            snapshot: of the lake, from which they come.
            published_until: publication time in the lake up to which it was read.
            until: latest event time that was taken from the lake, for a replay of history.

        Raises:
            OnlineStoreError: the rows do not fit, or the store is full or cannot be reached; nothing was changed.
        """
        now = datetime.now(UTC)
        given = Given.of(group, rows, now)
        with self.writing() as writer:
            as_of = AsOf(snapshot=snapshot, published_until=published_until, until=until)
            return replace_rows(writer, group, given, as_of, now)

    def update(
        self,
        group: FeatureGroup,
        rows: pa.Table,
        *,
        withdrawn: pa.Table | None = None,
        snapshot: int | None = None,
        published_until: datetime | None = None,
        until: datetime | None = None,
    ) -> Updated:
        """Brings rows into the table of a group, in any order: the newest event of each entity is what stays.

        Of two rows with the same event time the one published later wins; in static groups that decides alone. An older row
        changes nothing.

        Args:
            group: what the rows are of.
            rows: its columns; `_published_at` may say when each was published, now unless given.
            withdrawn: entity keys and event times of rows that do not stand any more, with `_superseded_at`, now unless given;
                they are taken away first, so that a row given for the entity comes in their place.
            snapshot: of the lake, as of which the table is up to date then; not said of rows from elsewhere.
            published_until: see `replace`.
            until: see `replace`.

        Raises:
            OnlineStoreError: the rows do not fit, or the store is full or cannot be reached; nothing was changed.
        """
        now = datetime.now(UTC)
        given, gone = Given.of(group, rows, now), Withdrawn.all_of(group, withdrawn, now)
        with self.writing() as writer:
            as_of = AsOf(snapshot=snapshot, published_until=published_until, until=until)
            return update_rows(writer, group, given, gone, as_of, now)

    def add_events(self, group: FeatureGroup, rows: pa.Table | Sequence[Mapping[str, Any]]) -> windows.Added:
        """Keeps events for the windows of the registered views: see `windows.add_events`."""
        with self.writing() as writer:
            return windows.add_events(writer, group, rows)

    def register(self, view: FeatureView) -> list[FeatureGroup]:
        """Says that a view is read online: see `windows.register`. Returns the groups of which events are to be loaded."""
        with self.writing() as writer:
            return windows.register(writer, view)

    def tables(self) -> list[OnlineTable]:
        """The online tables that there are, by name."""
        with self.reading() as reader:
            return tables.every(reader)

    def table(self, group: FeatureGroup | str) -> OnlineTable:
        """The online table of a group, given as its definition or by its versioned name.

        Raises:
            NotFoundError: there is none; the error names those that exist.
        """
        with self.reading() as reader:
            return tables.existing(reader, _name(group), str(self))

    def drop(self, group: FeatureGroup | str) -> None:
        """Removes the online table of a group; its rows read as missing from then on.

        Raises:
            NotFoundError: there is none.
        """
        with self.writing() as writer:
            tables.remove(writer, tables.existing(writer, _name(group), str(self)))

    def view(self, view: FeatureView) -> OnlineView:
        """A feature view made ready for reading; the same object each time.

        Raises:
            DefinitionError: it reads a group that is not online.
        """
        found = self._views.get(id(view))
        if found is None:
            from fti_assets.online_store.lookup import OnlineView  # loads numpy, which a stream of events does without

            found = self._views[id(view)] = OnlineView(view, self.backend)
        return found

    def get_online_features(
        self, view: FeatureView, keys: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, at: datetime | None = None
    ) -> OnlineFeatures:
        """The features of some rows as known now, or at another time; what a prediction at that moment is based on.

        Args:
            view: what is read.
            keys: for each row the entity keys of the view's spine, and any of its columns or features: what is given takes
                precedence over what is stored.
            at: the time of all rows; now unless given.

        Raises:
            NotFoundError: a row gives something that the view does not have.
            DefinitionError: a row lacks an entity key, or gives a value of another type; or the view reads a group that is not
                online.
            OnlineStoreError: the store cannot be reached.
        """
        requests = [keys] if isinstance(keys, Mapping) else list(keys)
        ready, time = self.view(view), microseconds(at or datetime.now(UTC))
        ready.check(requests)
        found = ready.find(requests, [time] * len(requests))
        return OnlineFeatures(view.feature_columns, ready.sources, tuple(found.rows), time)


def _name(group: FeatureGroup | str) -> str:
    return group if isinstance(group, str) else group.versioned_name


def _backend(address: str | Path) -> OnlineBackend:
    text = str(address)
    if text.startswith(("redis://", "rediss://", "unix://")):
        from fti_assets.online_store.redis_backend import RedisBackend

        return RedisBackend(text)
    if "://" in text:
        raise OnlineStoreError(
            f"'{text.partition('://')[0]}://...' is no address of an online store.",
            next_step="Give a folder, or redis://host:port/db.",
        )
    from fti_assets.online_store.lmdb_backend import LmdbBackend

    return LmdbBackend(text)
