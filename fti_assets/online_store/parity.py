"""Online against offline: what is read from the online store is what the point-in-time join gives for the same moment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import FeatureStore, event_time_column
from fti_assets.online_store import tables
from fti_assets.online_store.keys import instant, microseconds
from fti_assets.online_store.lake_changes import Reached
from fti_assets.online_store.store import OnlineStore
from fti_assets.online_store.stored_rows import StoredRow, status_of, stored_rows
from fti_assets.online_store.tables import OnlineTable
from fti_assets.vocabulary import FeatureGroup, FeatureView, WindowedSelection, groups_of, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_AT = "parity_time"
_SEED = 7
_SUMS = 1e-9
"""By how much floats of a view may differ, relative to the larger: sums are added up in another order online."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is another one online than offline.

    Attributes:
        entity: its key, by name.
        feature: the feature; the event time of the group is one of them.
        online: value that is read from the online store.
        offline: value that the point-in-time join gives.
    """

    entity: dict[str, Any]
    feature: str
    online: Any
    offline: Any

    def __str__(self) -> str:
        entity = ", ".join(f"{name}={value}" for name, value in self.entity.items())
        return f"{self.feature} of {entity}: online {_shown(self.online)}, offline {_shown(self.offline)}"


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How a sample compares.

    Attributes:
        of: versioned name of the group or view.
        at: the moment for which both were read.
        checked: entities, or rows of the view's spine, that were compared.
        visible: those of them for which something counts online at that moment; the others are null for want of a value.
        ahead: entities that were not, since the online store had a row for them that the lake was not told of by then.
        differing: each value that differs.
        behind: groups of which the lake has newer publications than were brought online: their values may differ for that.
        snapshot: of the lake that was read; None for the newest.
    """

    of: str
    at: datetime
    checked: int
    visible: int = 0
    ahead: int = 0
    differing: tuple[Difference, ...] = ()
    behind: tuple[str, ...] = ()
    snapshot: int | None = None

    @property
    def is_equal(self) -> bool:
        return not self.differing

    @property
    def differing_entities(self) -> int:
        """How many entities have a value that differs."""
        return len({tuple(one.entity.items()) for one in self.differing})


def compare(
    store: FeatureStore, online: OnlineStore, of: FeatureGroup | FeatureView, *, sample: int = 1000, at: datetime | None = None
) -> Parity:
    """Compares a sample of entities online and offline.

    The lake is read as it was when the tables were brought up to date, as long as it keeps that snapshot.

    Args:
        store: the lake.
        online: what is read at serving time.
        of: a group, of which entities are drawn; or a view, of whose spine the rows nearest in time to the moment are taken.
        sample: how many.
        at: the moment; unless given the latest event time that was taken from the lake where the tables hold a replay of history,
            else that of the newest event online, so that what is compared has not expired meanwhile.

    Raises:
        NotFoundError: there is no lake, or no online table of the group.
        OnlineStoreError: the online store cannot be reached.
    """
    if not store.lake.is_there:
        raise NotFoundError(f"There is no lake in {store.lake.catalog}, so there is nothing to compare with.")
    comparison = _Comparison.of(store, online, [of] if isinstance(of, FeatureGroup) else _groups(of), at)
    return comparison.of_group(of, sample) if isinstance(of, FeatureGroup) else comparison.of_view(of, sample)


def _groups(view: FeatureView) -> list[FeatureGroup]:
    """Those of which a view reads the newest rows."""
    found = [group for one in view.joined for group in groups_of(one)[: -1 if isinstance(one, WindowedSelection) else None]]
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A comparison for one moment, with one state of the lake."""

    store: FeatureStore
    online: OnlineStore
    at: datetime
    snapshot: int | None
    behind: tuple[str, ...]

    @staticmethod
    def of(store: FeatureStore, online: OnlineStore, groups: Sequence[FeatureGroup], at: datetime | None) -> _Comparison:
        with online.reading() as reader:
            found = {group: tables.find(reader, group.versioned_name) for group in groups}
        there = {group: table for group, table in found.items() if table is not None}
        replayed = max((table.until for table in there.values() if table.until), default=None)
        newest = max((table.newest_event for table in there.values() if table.newest_event), default=None)
        moment = at or replayed or newest or datetime.now(UTC)
        snapshot = _kept(store, max((table.snapshot for table in there.values() if table.snapshot is not None), default=None))
        behind = tuple(sorted(_behind(store, there, snapshot)))
        return _Comparison(store, online, moment if moment.tzinfo else moment.replace(tzinfo=UTC), snapshot, behind)

    def of_group(self, group: FeatureGroup, sample: int) -> Parity:
        """Entities are drawn of those that the lake has."""
        table = self.online.table(group)
        names = group.entity.key_names
        keys = self._read(
            f"""SELECT * FROM (SELECT DISTINCT {_listed(names)} FROM {group.table.sql})
            USING SAMPLE reservoir({sample:d} ROWS) REPEATABLE ({_SEED})"""
        )
        offline = self._offline([group.all_features], keys)
        entities = keys.to_pylist()
        with self.online.reading() as reader:
            found = stored_rows(reader, table, [tuple(entity.values()) for entity in entities])
        compared = [(n, row) for n, row in enumerate(found) if not _is_ahead(row, table)]
        expected = offline.to_pylist()
        differing = [
            one
            for n, row in compared
            for one in _differences(entities[n], self._visible(group, row), _expected(group, expected[n]), tolerance=0.0)
        ]
        visible = sum(self._counts(group, row) for _, row in compared)
        return self._parity(group.versioned_name, len(compared), visible, differing, ahead=len(found) - len(compared))

    def of_view(self, view: FeatureView, sample: int) -> Parity:
        """The rows of the spine are those nearest in time, each with the moment in place of its own time."""
        table, time = view.spine.table, quoted(view.at)
        names = [column.name for column in table.columns if column.name != view.at]
        nearest = f"abs(epoch_us({time}) - {microseconds(self.at)})"
        rows = self._read(
            f"""SELECT {_listed(names)} FROM {table.sql} WHERE {time} IS NOT NULL
            ORDER BY {nearest}, {_listed(names)} LIMIT {sample:d}"""
        )
        requests = rows.to_pylist()
        expected = self._offline(view, rows).to_pylist()
        found = self.online.get_online_features(view, requests, at=self.at)
        keys = view.spine.entity.key_names
        differing = [
            one
            for request, online, offline in zip(requests, found.to_dicts(), expected, strict=True)
            for one in _differences({key: request[key] for key in keys}, online, offline, tolerance=_SUMS)
        ]
        visible = sum("found" in row.statuses for row in found.rows)
        return self._parity(view.versioned_name, len(requests), visible, differing)

    def _read(self, query: str) -> pa.Table:
        with self.store.reading(self.snapshot) as connection:
            return connection.execute(query).to_arrow_table()

    def _offline(self, features: Any, rows: pa.Table) -> pa.Table:
        import pyarrow as pa

        name = features.at if isinstance(features, FeatureView) else _AT
        times = pa.array([self.at] * rows.num_rows, pa.timestamp("us", tz="UTC"))
        spine = rows.append_column(name, times)
        return self.store.get_features(features, spine, at=name, as_of=self.snapshot, event_times=True).to_arrow()

    def _visible(self, group: FeatureGroup, row: StoredRow | None) -> dict[str, Any]:
        """What of a stored row counts at the moment."""
        names = [*group.feature_names, *([group.event_time] if group.event_time else [])]
        if row is None or not self._counts(group, row):
            return dict.fromkeys(names)
        values = {name: row.values.get(name) for name in group.feature_names}
        return values | ({group.event_time: instant(row.event_time)} if group.event_time and row.event_time is not None else {})

    def _counts(self, group: FeatureGroup, row: StoredRow | None) -> bool:
        ttl = group.ttl // timedelta(microseconds=1) if group.ttl else None
        return row is not None and status_of(row.event_time, microseconds(self.at), ttl) == "found"

    def _parity(self, of: str, checked: int, visible: int, differing: Sequence[Difference], *, ahead: int = 0) -> Parity:
        return Parity(
            of=of,
            at=self.at,
            checked=checked,
            visible=visible,
            ahead=ahead,
            differing=tuple(differing),
            behind=self.behind,
            snapshot=self.snapshot,
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _expected(group: FeatureGroup, row: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: row[name] for name in group.feature_names}
    return found | ({group.event_time: row[event_time_column(group)]} if group.event_time else {})


def _is_ahead(row: StoredRow | None, table: OnlineTable) -> bool:
    """Whether a row came from elsewhere after the lake was read."""
    return row is not None and table.published_until is not None and row.published_at > microseconds(table.published_until)


def _differences(
    entity: dict[str, Any], online: Mapping[str, Any], offline: Mapping[str, Any], *, tolerance: float
) -> Iterable[Difference]:
    for name, value in online.items():
        if not _is_same(value, offline[name], tolerance):
            yield Difference(entity, name, value, offline[name])


def _is_same(online: Any, offline: Any, tolerance: float) -> bool:
    """Whether two values are the same: a null is one, and one NaN is like another."""
    if isinstance(offline, datetime) and isinstance(online, int):
        return online == microseconds(offline)
    if isinstance(online, float) and isinstance(offline, float):
        return math.isclose(online, offline, rel_tol=tolerance) or (math.isnan(online) and math.isnan(offline))
    return bool(online == offline)


def _kept(store: FeatureStore, snapshot: int | None) -> int | None:
    """A snapshot, as long as the lake keeps it; None for the newest."""
    try:
        with store.reading(snapshot):
            return snapshot
    except NotFoundError:
        return None


def _behind(store: FeatureStore, there: Mapping[FeatureGroup, OnlineTable], snapshot: int | None) -> Iterable[str]:
    """The groups that were published after what was brought online, as the lake is read."""
    with store.reading(snapshot) as connection:
        for group, table in there.items():
            published = Reached.of(connection, group).published
            if published and (table.published_until is None or published > table.published_until):
                yield group.versioned_name
