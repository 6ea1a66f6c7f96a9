"""How a feature view is read: where each value of a row stands, and what is looked up by which of them. Worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fti_assets.errors import DefinitionError
from fti_assets.online_store.features import Source
from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.tables import rows_of
from fti_assets.online_store.windows import Windows
from fti_assets.vocabulary import (
    REQUEST_TIME,
    Column,
    ColumnType,
    FeatureGroup,
    FeatureSelection,
    FeatureView,
    OnDemand,
    Selection,
    WindowedSelection,
    groups_of,
    join_sources,
)

Columns = list[Sequence[Any]]
"""The values of some requests, by columns, each at its place: the features of the view in their order, then what they are found
by."""
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class JoinKeys:
    """The keys of rows by which something is looked up.

    Attributes:
        codec: encodes them.
        places: where their values stand.
    """

    codec: KeyCodec
    places: tuple[int, ...]

    def encoded(self, columns: Columns) -> list[bytes | None]:
        """For each row its key as bytes; None where it is the key of nothing."""
        return self.codec.encode_many([columns[place] for place in self.places])


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """One group that is looked up for a request, in one role.

    Attributes:
        group: the group.
        source: number among the sources of the view; None where it only finds keys of others.
        by: the keys by which it is looked up; the same object in all lookups by the same keys.
        names: of its columns that are read of the stored row.
        places: where the values of `names` go.
        span: of these places, where they follow one another and are all that it fills.
        repeated: places that repeat one of the join keys, and which.
        timed: places that take the event time.
        filled: all places that it fills.
        ttl: how old a row may be, in microseconds.
        table: the backend's table of its rows.
        windows: its aggregates, where it is read through windows.
    """

    group: FeatureGroup
    source: int | None
    by: JoinKeys
    names: tuple[str, ...]
    places: tuple[int, ...]
    span: slice | None
    repeated: tuple[tuple[int, int], ...]
    timed: tuple[int, ...]
    filled: frozenset[int]
    ttl: int | None
    table: str
    windows: Windows | None


@dataclass(frozen=True, slots=True)
class Computed:
    """One on-demand feature.

    Attributes:
        one: what computes it.
        place: where it goes.
        reads: name, place and type of each of its inputs; no place for the time of the row.
    """

    one: OnDemand
    place: int
    reads: tuple[tuple[str, int | None, ColumnType], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A view made ready for reading.

    Attributes:
        features: how many values a row has for the model; they stand first.
        width: how many places there are.
        place_of: where what a request gives stands, by name; what nothing needs has no place.
        time: the place of the row's time, where something needs it.
        sources: see `OnlineView.sources`.
        spine: the lookup of the spine's own columns; None where no more of it is needed than its keys.
        steps: the other lookups; those of a step are found by what the steps before it have found.
        computed: the on-demand features, in order.
        keys: the places by which something is looked up.
    """

    features: int
    width: int
    place_of: dict[str, int]
    time: int | None
    sources: tuple[Source, ...]
    spine: Lookup | None
    steps: tuple[tuple[Lookup, ...], ...]
    computed: tuple[Computed, ...]
    keys: frozenset[int]

    @property
    def lookups(self) -> list[Lookup]:
        """All lookups."""
        return [*([self.spine] if self.spine else []), *(one for step in self.steps for one in step)]


def plan(view: FeatureView) -> Plan:
    """How a view is read.

    Raises:
        DefinitionError: it reads a group that is not online.
    """
    return _Planning(view).made()


class _Planning:
    """Gives each value its place, and finds out what is looked up by what."""

    def __init__(self, view: FeatureView) -> None:
        self._view = view
        names = dict.fromkeys((*view.feature_names, *view.spine.entity.key_names))
        self._places = {name: place for place, name in enumerate(names)}
        self._nested: dict[FeatureSelection, tuple[int, int]] = {}
        self._lookups: list[tuple[int, Lookup]] = []
        self._join_keys: dict[tuple[tuple[ColumnType, ...], tuple[int, ...]], JoinKeys] = {}

    def made(self) -> Plan:
        view = self._view
        _refuse_offline(view)
        computed = tuple(map(self._computed, view.on_demand))
        found_by = [self._keys(selection) for selection in view.joined]
        spine, sources = self._spine(), [_source(selection) for selection in view.joined]
        first = [Source(view.spine.versioned_name, "", self._own_features())] if spine else []
        for number, (selection, (depth, keys)) in enumerate(zip(view.joined, found_by, strict=True), start=len(first)):
            self._add(depth, selection, number, keys, [self._places[name] for name in selection.output_names])
        return Plan(
            features=len(view.feature_names),
            width=len(self._places),
            place_of=self._places,
            time=self._places.get(view.at),
            sources=(*first, *sources),
            spine=spine,
            steps=self._steps(),
            computed=computed,
            keys=frozenset(place for by in self._join_keys.values() for place in by.places),
        )

    def _place(self, name: str) -> int:
        """The place of a column of the spine, or of a feature."""
        return self._places.setdefault(name, len(self._places))

    def _keys(self, selection: Selection) -> tuple[int, tuple[int, ...]]:
        """In which step a selection can be looked up, and where its join keys stand."""
        found = [self._key(source) for source in join_sources(selection).values()]
        return max(step for step, _ in found), tuple(place for _, place in found)

    def _key(self, source: str | FeatureSelection) -> tuple[int, int]:
        """From which step on a join key is known, and where it stands."""
        if isinstance(source, str):
            return 0, self._place(source)
        if source not in self._nested:
            step, keys = self._keys(source)
            place = self._place(f"\0{len(self._nested)}")  # no name of a column, so no request gives it
            self._nested[source] = (step + 1, place)
            self._add(step, source, None, keys, [place])
        return self._nested[source]

    def _computed(self, one: OnDemand) -> Computed:
        readable = self._view.readable
        times = (REQUEST_TIME, self._view.at)
        reads = [(name, None if name in times else self._place(name), readable[name].type) for name in one.reads]
        return Computed(one, self._places[one.name], tuple(reads))

    def _own_features(self) -> tuple[str, ...]:
        joined = {name for selection in self._view.joined for name in selection.output_names}
        return tuple(column.name for column in self._view.stored_columns if column.name not in joined)

    def _spine(self) -> Lookup | None:
        """The lookup of the spine's columns that are needed, but for its keys and the time of the row, which are given."""
        group = self._view.spine
        own = [column.name for column in group.table.columns if column.name not in {*group.entity.key_names, self._view.at}]
        needed = [name for name in own if name in self._places]
        if not needed:
            return None
        keys = tuple(self._places[name] for name in group.entity.key_names)
        return self._lookup(group[tuple(needed)], 0, keys, [self._places[name] for name in needed])

    def _add(self, step: int, selection: Selection, source: int | None, keys: tuple[int, ...], places: Sequence[int]) -> None:
        self._lookups.append((step, self._lookup(selection, source, keys, places)))

    def _lookup(self, selection: Selection, source: int | None, keys: tuple[int, ...], places: Sequence[int]) -> Lookup:
        group = selection.group
        windows = Windows(group, selection.by, selection.aggregates) if isinstance(selection, WindowedSelection) else None
        names = selection.names if isinstance(selection, FeatureSelection) else ()
        key_names = group.entity.key_names
        chosen = list(zip(names, places, strict=False))
        stored = [(name, place) for name, place in chosen if name not in (*key_names, group.event_time)]
        to = tuple(places) if windows else tuple(place for _, place in stored)
        is_row = len(to) == len(places) and to == tuple(range(to[0], to[0] + len(to)))
        return Lookup(
            group=group,
            source=source,
            by=self._by([group.table.column(name) for name in selection.join_keys], keys),
            names=tuple(name for name, _ in stored),
            places=to,
            span=slice(to[0], to[0] + len(to)) if is_row else None,
            repeated=tuple((place, key_names.index(name)) for name, place in chosen if name in key_names),
            timed=tuple(place for name, place in chosen if name == group.event_time),
            filled=frozenset(places),
            ttl=group.ttl // _MICROSECOND if group.ttl else None,
            table=rows_of(group),
            windows=windows,
        )

    def _by(self, columns: Sequence[Column], places: tuple[int, ...]) -> JoinKeys:
        """How the keys at some places are encoded, the same for all that are looked up by them."""
        kinds = tuple(column.type for column in columns)
        return self._join_keys.setdefault((kinds, places), JoinKeys(KeyCodec(columns), places))

    def _steps(self) -> tuple[tuple[Lookup, ...], ...]:
        last = max((step for step, _ in self._lookups), default=-1)
        return tuple(tuple(one for step, one in self._lookups if step == n) for n in range(last + 1))


def _refuse_offline(view: FeatureView) -> None:
    offline = sorted({group.versioned_name for one in view.joined for group in groups_of(one) if not group.online})
    if offline:
        raise DefinitionError(
            f"View '{view.versioned_name}' cannot be read online: it joins {', '.join(offline)}, of which nothing is online.",
            next_step="Set online=True on the feature group, and load it: fti online load GROUP.",
        )


def _source(selection: Selection) -> Source:
    return Source(selection.group.versioned_name, selection.prefix, selection.output_names)
