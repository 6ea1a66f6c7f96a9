"""Events of before, from the lake into the online store, for the windows of views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from fti_assets.online_store import event_queue
from fti_assets.online_store.backend import Writer
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.keys import instant, microseconds
from fti_assets.online_store.window_events import add_events, moments_of, remove_events, rows_of
from fti_assets.online_store.window_layouts import NOTHING, Registered, anew, registered, save, value_columns
from fti_assets.vocabulary import FeatureGroup, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from fti_assets.feature_store import FeatureStore

_AT_ONCE = 50_000
"""Rows that are made into Python's objects at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEvents:
    """What was loaded for the windows of a group.

    Attributes:
        is_anew: whether everything was loaded, and not only what had changed.
        read: rows that were read from the lake.
        added: events that are new or corrected.
        withdrawn: events that were taken away.
        newest: event time of the newest row in the lake, as far as it was asked for; None where there is none.
    """

    is_anew: bool
    read: int
    added: int
    withdrawn: int
    newest: datetime | None


def load_events(
    store: FeatureStore, writer: Writer, group: FeatureGroup, *, until: datetime | None = None, full: bool = False
) -> LoadedEvents:
    """Keeps the events of the lake that the windows of the registered views can hold.

    Only what was published since the last time is read, unless the views need more than they did. Events that were withdrawn
    are taken away. An event that still waits to be landed counts, not what the lake has in its place. The lake is read while
    the online store is being written, so that nothing comes between.

    Args:
        store: the lake.
        writer: of the online store.
        group: whose rows the events are.
        until: the newest event time to load, for a replay of history.
        full: whether everything is loaded again.

    Raises:
        OnlineStoreError: no view is registered that reads the group through windows.
    """
    said = registered(writer, group)
    if said is None:
        raise OnlineStoreError(
            f"No view is registered that reads '{group.versioned_name}' through windows, so it has no events to load.",
            next_step="Register the view first: OnlineStore.register(view).",
        )
    is_anew = (
        full or said.needs_loading or said.loaded == NOTHING or said.columns != value_columns(group) or _goes_back(said, until)
    )
    said = anew(writer, group, said) if is_anew else said
    published = store.last_published().get(str(group.table)) if store.lake.is_there else None
    if published is None:
        save(writer, _of_nothing(said))
        return LoadedEvents(is_anew=is_anew, read=0, added=_add_queued(writer, group), withdrawn=0, newest=None)
    with store.reading() as connection:
        return _load(writer, group, said, _Rows(connection, group, said, until), published, is_anew=is_anew)


def _of_nothing(said: Registered) -> Registered:
    """Complete, since nothing was ever published."""
    return replace(said, layouts=tuple(replace(one, known_after=None) for one in said.layouts), loaded=NOTHING)


def _goes_back(said: Registered, until: datetime | None) -> bool:
    """Whether what is there reaches further than what is asked for, so that old events may have been let go."""
    return until is not None and (said.loaded_until is None or microseconds(until) < said.loaded_until)


def _load(
    writer: Writer, group: FeatureGroup, said: Registered, rows: _Rows, published: datetime, *, is_anew: bool
) -> LoadedEvents:
    known_after = rows.horizon if rows.reach_further else None
    layouts = tuple(replace(one, known_after=known_after) if is_anew else one for one in said.layouts)
    until = None if rows.until is None else microseconds(rows.until)
    save(writer, replace(said, layouts=layouts, loaded=microseconds(published), loaded_until=until))
    read = added = withdrawn = 0
    for table in rows.withdrawn():
        withdrawn += remove_events(writer, group, _not_queued(writer, group, table)).corrected
    for table in rows.standing():
        found = add_events(writer, group, _not_queued(writer, group, table))
        read, added = read + table.num_rows, added + found.new + found.corrected
    if is_anew:
        added += _add_queued(writer, group)
    return LoadedEvents(is_anew=is_anew, read=read, added=added, withdrawn=withdrawn, newest=rows.newest)


def _not_queued(writer: Writer, group: FeatureGroup, table: pa.Table) -> list[dict[str, object]]:
    """The rows but for those in whose place an event waits to be landed."""
    rows, moments = [dict(row) for row in rows_of(table)], moments_of(group)
    waits = event_queue.waits(writer, group, map(moments, rows))
    return [row for row, is_waiting in zip(rows, waits, strict=True) if not is_waiting]


def _add_queued(writer: Writer, group: FeatureGroup) -> int:
    queued = event_queue.oldest(writer, group, event_queue.waiting(writer, group))
    found = add_events(writer, group, [one.row for one in queued])
    return found.new + found.corrected


class _Rows:
    """The rows of a group in the lake that are to be loaded."""

    def __init__(self, connection: DuckDBPyConnection, group: FeatureGroup, said: Registered, until: datetime | None) -> None:
        self._connection, self._group, self._said, self.until = connection, group, said, until
        self._time = quoted(group.event_time or "")
        self._bounds = {"until": until} if until else {}
        upto = f"WHERE {self._time} <= $until" if until else ""
        oldest, self.newest = self._one(f"SELECT min({self._time}), max({self._time}) FROM {group.table.sql} {upto}", self._bounds)
        keep = max(layout.keep for layout in said.layouts)
        self.horizon = microseconds(self.newest) - keep if self.newest else 0
        self.reach_further = oldest is not None and microseconds(oldest) <= self.horizon

    def standing(self) -> Iterator[pa.Table]:
        """Those that stand, of which the online store has not been told, the oldest first."""
        said, given, new = self._said, self._bounds | {"after": instant(self.horizon)}, []
        if said.loaded is not None:
            new, given = ['"_published_at" > $loaded'], given | {"loaded": instant(said.loaded)}
        if said.loaded is not None and said.loaded_until is not None:
            new, given = [*new, f"{self._time} > $loaded_until"], given | {"loaded_until": instant(said.loaded_until)}
        where = [f"{self._time} > $after", *([f"{self._time} <= $until"] if self.until else [])]
        where += [f"({' OR '.join(new)})"] if new else []
        yield from self._tables(f"SELECT {self._columns} FROM {self._group.table.sql} WHERE {' AND '.join(where)}", given)

    def withdrawn(self) -> Iterator[pa.Table]:
        """Those that were withdrawn since the last time, and did not come back."""
        kept = self._group.table.name
        known = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'superseded' AND table_name = $kept"
        if self._said.loaded is None or not self._connection.execute(known, {"kept": kept}).fetchone():
            return
        key = ", ".join(map(quoted, self._group.table.key))
        query = f"""SELECT DISTINCT ON ({key}) {self._columns} FROM lake.superseded.{quoted(kept)}
            ANTI JOIN {self._group.table.sql} USING ({key}) WHERE "_superseded_at" > $loaded AND {self._time} > $after"""
        yield from self._tables(query, {"loaded": instant(self._said.loaded), "after": instant(self.horizon)})

    @property
    def _columns(self) -> str:
        return ", ".join(quoted(column.name) for column in self._group.table.columns)

    def _tables(self, query: str, given: dict[str, datetime]) -> Iterator[pa.Table]:
        yield from self._batches(self._connection.execute(f"{query} ORDER BY {self._time}", given).to_arrow_table())

    def _batches(self, table: pa.Table) -> Iterator[pa.Table]:
        for start in range(0, table.num_rows, _AT_ONCE):
            yield table.slice(start, _AT_ONCE)

    def _one(self, query: str, given: dict[str, datetime]) -> tuple[datetime | None, datetime | None]:
        row = self._connection.execute(query, given).fetchone()
        assert row is not None
        return row[0], row[1]
