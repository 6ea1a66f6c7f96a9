"""From the lake to the online store: after each publication what has changed, or everything."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError
from fti_assets.online_store import tables
from fti_assets.online_store.lake_changes import Changes, GroupInLake, Reached, Span
from fti_assets.online_store.store import OnlineStore
from fti_assets.online_store.tables import OnlineTable
from fti_assets.online_store.windows import LoadedEvents, load_events, register
from fti_assets.vocabulary import FeatureGroup, FeatureView, WindowedSelection, groups_of

__all__ = ["LoadedEvents", "Materialised", "materialise"]

Kind = Literal["full", "incremental", "unchanged", "events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialised:
    """What was brought online.

    Attributes:
        group: versioned name of the group.
        kind: whether all rows were loaded, those that had changed, or none since nothing had; `events`, where the group is read
            through windows only and so has no table of newest rows.
        read: rows that were read from the lake.
        written: entities whose newest row was written.
        older: rows that changed nothing, since the table had newer ones.
        withdrawn: entities whose newest row does not stand any more.
        entities: rows of the table now.
        snapshot: of the lake that was read.
        until: latest event time that was taken; None for all.
        windows: what was loaded for windows of views; None where none has windows over the group.
        seconds: that it took.
    """

    group: str
    kind: Kind
    read: int = 0
    written: int = 0
    older: int = 0
    withdrawn: int = 0
    entities: int = 0
    snapshot: int | None = None
    until: datetime | None = None
    windows: LoadedEvents | None = None
    seconds: float = 0.0


def materialise(
    store: FeatureStore,
    online: OnlineStore,
    group: FeatureGroup,
    *,
    views: Sequence[FeatureView] = (),
    full: bool = False,
    until: datetime | None = None,
) -> Materialised:
    """Brings the online table of a group up to date with the lake.

    As a rule only what was published or withdrawn since the last time is read. All is loaded anew where that cannot be told: the
    first time, after a damaged file was given up, when the lake was put back to an earlier state, when the group has lost a
    column, or for an earlier `until` than before.

    Args:
        store: the lake.
        online: what it is brought into.
        group: one with `online=True`.
        views: those that are read online. If they read the group through windows, the events of these are kept as well; and if
            none of them reads it otherwise, no table of newest rows is made.
        full: whether everything is loaded again.
        until: the latest event time to take, for a replay of history.

    Raises:
        DefinitionError: the group is not online.
        MissingFeaturesError: it was never published, or not yet with all of its columns.
        OnlineStoreError: the online store cannot be reached, or is full; nothing was changed.
    """
    started = time.perf_counter()
    _check(store, group)
    windowed = [view for view in views if _reads(view, group, windowed=True)]
    with online.reading() as reader:
        has_table = tables.find(reader, group.versioned_name) is not None
    is_read_by_row = has_table or not windowed or any(_reads(view, group, windowed=False) for view in views)
    done = Materialised(group=group.versioned_name, kind="events")
    if is_read_by_row:
        done = _Rows(store, online, group, _utc(until)).bring(full=full)
    events = _bring_events(store, online, group, windowed, full=full, until=_utc(until)) if windowed else None
    return replace(done, windows=events, until=_utc(until), seconds=time.perf_counter() - started)


class _Rows:
    """The newest rows of one group, on their way."""

    def __init__(self, store: FeatureStore, online: OnlineStore, group: FeatureGroup, until: datetime | None) -> None:
        self._store, self._online, self._group, self._until = store, online, group, until

    def bring(self, *, full: bool) -> Materialised:
        with self._online.reading() as reader:
            before = tables.find(reader, self._group.versioned_name)
        with self._store.reading() as connection:
            reached = Reached.of(connection, self._group)
            if reached.published is None:
                raise MissingFeaturesError(
                    f"'{self._group.table}' was never published.",
                    next_step=f"Materialise '{'/'.join(self._group.table.asset_key)}' first.",
                )
            lake = GroupInLake(connection, self._group)
            span = None if full or before is None else self._span(before, reached)
            done = self._load(lake, reached) if span is None else self._update(lake, reached, span)
        return replace(done, snapshot=reached.snapshot, entities=self._online.table(self._group).entities)

    def _span(self, before: OnlineTable, reached: Reached) -> Span | None:
        """What the table lacks; None where that cannot be told."""
        since = before.published_until
        assert reached.published is not None
        is_back = since is None or reached.published < since or (reached.lost is not None and reached.lost > since)
        takes_less = self._until is not None and (before.until is None or self._until < before.until)
        if is_back or takes_less or not _is_extended(self._group, before):
            return None
        return Span(since, beyond=before.until if self._until != before.until else None, until=self._until)

    def _load(self, lake: GroupInLake, reached: Reached) -> Materialised:
        rows = lake.newest(self._until)
        made = self._online.replace(
            self._group, rows, snapshot=reached.snapshot, published_until=reached.published, until=self._until
        )
        return Materialised(group=made.name, kind="full", read=rows.num_rows, written=made.entities)

    def _update(self, lake: GroupInLake, reached: Reached, span: Span) -> Materialised:
        is_new = reached.published != span.since or span.beyond is not None
        found = lake.changes(span) if is_new else Changes.none(self._group)
        done = self._online.update(
            self._group,
            found.rows,
            withdrawn=found.withdrawn,
            snapshot=reached.snapshot,
            published_until=reached.published,
            until=self._until,
        )
        return Materialised(
            group=self._group.versioned_name,
            kind="incremental" if is_new else "unchanged",
            read=found.rows.num_rows,
            written=done.written,
            older=done.older,
            withdrawn=done.withdrawn,
        )


def _bring_events(
    store: FeatureStore,
    online: OnlineStore,
    group: FeatureGroup,
    views: Sequence[FeatureView],
    *,
    full: bool,
    until: datetime | None,
) -> LoadedEvents:
    with online.writing() as writer:
        for view in views:
            register(writer, view)
        return load_events(store, writer, group, full=full, until=until)


def _check(store: FeatureStore, group: FeatureGroup) -> None:
    if not group.online:
        raise DefinitionError(
            f"Feature group '{group.versioned_name}' is not online.", next_step="Say so in its contract: online=True."
        )
    if not store.lake.is_there:
        raise MissingFeaturesError(
            f"There is no lake in {store.lake.catalog}, so there is nothing to bring online.",
            next_step="Publish the feature groups first: fti run SYSTEM.",
        )


def _reads(view: FeatureView, group: FeatureGroup, *, windowed: bool) -> bool:
    """Whether a view reads a group through windows, or else by the newest row."""
    if windowed:
        return any(isinstance(one, WindowedSelection) and one.group == group for one in view.joined)
    by_row = [nested for one in view.joined for nested in groups_of(one)[:-1]]
    by_row += [one.group for one in view.joined if not isinstance(one, WindowedSelection)]
    return group in (*by_row, view.spine)


def _is_extended(group: FeatureGroup, table: OnlineTable) -> bool:
    """Whether the group has all columns that the table has, with their types."""
    own = {(column.name, column.type) for column in group.table.columns}
    return all((column.name, column.type) in own for column in (*table.columns, *table.keys))


def _utc(until: datetime | None) -> datetime | None:
    return until.replace(tzinfo=UTC) if until is not None and until.tzinfo is None else until
