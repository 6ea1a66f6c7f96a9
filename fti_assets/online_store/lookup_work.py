"""The work of one reading of a view: its columns are filled place by place, by one lookup after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from fti_assets.online_store import tables
from fti_assets.online_store.backend import Reader
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.features import FoundFeatures, Status
from fti_assets.online_store.lookup_plan import Columns, JoinKeys, Lookup, Plan
from fti_assets.online_store.row_reading import RowReader
from fti_assets.online_store.rows import NO_TIME
from fti_assets.online_store.stored_rows import status_of
from fti_assets.online_store.tables import TABLES, VERSION
from fti_assets.online_store.windows import Windows
from fti_assets.vocabulary import Array, as_array, as_values

_CHECKED = (TABLES, (VERSION,))

Readers = Mapping[bytes, RowReader]
"""How rows are read, by how they begin: each layout of the table has its own."""
Outcome = tuple[Sequence[Status], Sequence[int | None]]
"""For each row whether a source was found, and when what is there became known."""


@dataclass(frozen=True, slots=True)
class Known:
    """How the rows of the tables are laid out.

    Attributes:
        version: of the layouts of all tables; None where there is no table.
        readers: by lookup.
    """

    version: bytes | None
    readers: Mapping[Lookup, Readers]

    @staticmethod
    def of(reader: Reader, plan: Plan, version: bytes | None) -> Known:
        return Known(version, {one: _readers(reader, one) for one in plan.lookups if one.windows is None})


def _readers(reader: Reader, lookup: Lookup) -> Readers:
    table = tables.find(reader, lookup.group.versioned_name)
    return {layout.mark: RowReader(layout, lookup.names) for layout in table.layouts} if table else {}


class Keys(NamedTuple):
    """The keys of some rows, each once.

    Attributes:
        by_row: for each row; None where the key is that of nothing.
        different: all that are looked up.
        places: for each row where its key stands among `different`, -1 for none; None where they stand as the rows do.
    """

    by_row: Sequence[bytes | None]
    different: Sequence[bytes]
    places: Sequence[int] | None

    @staticmethod
    def of(by_row: Sequence[bytes | None]) -> Keys:
        different = {key: None for key in by_row if key is not None}
        if len(different) == len(by_row):
            return Keys(by_row, list(different), None)
        place_of = {key: place for place, key in enumerate(different)}
        return Keys(by_row, list(different), [-1 if key is None else place_of[key] for key in by_row])


Stored = tuple[Sequence[int | None], Sequence[Sequence[Any]]]
"""Of some keys the event times of what is stored, NO_TIME in static groups and None where nothing is; and the values by columns."""


def taken(stored: Stored, places: Sequence[int]) -> Stored:
    """What stands at some places, nothing at -1."""
    events, *values = [_taken(column, places) for column in (stored[0], *stored[1])]
    return events, values


def _taken(column: Any, places: Sequence[int]) -> Any:
    if isinstance(column, np.ndarray):
        return np.append(column, np.nan)[list(places)]
    longer = [*column, None]
    return [longer[place] for place in places]


def _where(is_found: Sequence[bool], column: Any) -> Any:
    """The values that were found, nothing in place of the others."""
    if isinstance(column, np.ndarray):
        return np.where(is_found, column, np.nan)
    return [value if is_there else None for value, is_there in zip(column, is_found, strict=True)]


class Work:
    """One reading of a view: its requests are completed side by side, one source after another."""

    def __init__(
        self, plan: Plan, reader: Reader, known: Known, requests: Sequence[Mapping[str, Any]], at: Sequence[int], *, arrays: bool
    ) -> None:
        self.known = known
        self._plan, self._reader, self._at, self._arrays = plan, reader, at, arrays
        self._nothing: list[None] = [None] * len(requests)
        self._first, self._last = min(at, default=0), max(at, default=0)
        self._every = [True] * len(requests)
        self._columns: Columns = [self._nothing] * plan.width
        self._given: dict[int, list[bool]] = {}
        """By place which requests give a value."""
        self._keys: dict[JoinKeys, Keys] = {}
        self._outcomes: list[Outcome] = [([], [])] * len(plan.sources)
        self._take(requests)

    def _take(self, requests: Sequence[Mapping[str, Any]]) -> None:
        shapes = set(map(tuple, requests))
        for name in {name: None for shape in shapes for name in shape}:
            place = self._plan.place_of.get(name)
            if place is not None:
                self._columns[place] = [request.get(name) for request in requests]
                self._given[place] = self._every if len(shapes) == 1 else [name in request for request in requests]

    def done(self) -> FoundFeatures:
        """All requests completed."""
        plan = self._plan
        if plan.time is not None:
            self._put(plan.time, self._at)
        if plan.spine is not None:
            self._find_spine(plan.spine)
        for step in plan.steps:
            self._find(step)
        if plan.computed:
            self._compute()
        statuses, times = zip(*self._outcomes, strict=True) if self._outcomes else ((), ())
        return FoundFeatures(self._columns[: plan.features], list(times), list(statuses))

    def _put(self, place: int, values: Sequence[Any]) -> None:
        """Puts values to a place, but for those that were given."""
        given = self._given.get(place)
        if given is None:
            self._columns[place] = values
        elif given is not self._every:
            kept = zip(self._columns[place], values, given, strict=True)
            self._columns[place] = [old if is_given else new for old, new, is_given in kept]

    def _all_given(self, lookup: Lookup) -> list[bool] | None:
        """For each row whether all that a lookup fills was given; None where it is not of any row."""
        if not lookup.filled <= self._given.keys():
            return None
        return [all(row) for row in zip(*(self._given[place] for place in lookup.filled), strict=True)]

    def _find_spine(self, spine: Lookup) -> None:
        given = self._all_given(spine)
        if given is None or not all(given):
            if spine.group.online:
                self._find((spine,))
                return
            given = given or [False] * len(self._nothing)
        self._outcomes[0] = (["given" if one else "missing" for one in given], self._nothing)

    def _find(self, step: Sequence[Lookup]) -> None:
        """Finds what some lookups give, all that is stored by entity in one round trip."""
        asked = [(one, *self._keys_of(one)) for one in step if one.windows is None]
        found = self._fetched([(one.table, keys.different) for one, keys, _ in asked])
        for (one, keys, given), rows in zip(asked, found, strict=True):
            outcome = self._fill(one, keys, given, self._stored(one, rows))
            if one.source is not None:
                self._outcomes[one.source] = outcome
        for one in step:
            if one.windows is not None and one.source is not None:
                self._outcomes[one.source] = self._fill_windows(one, one.windows)

    def _keys_of(self, lookup: Lookup) -> tuple[Keys, list[bool] | None]:
        """The keys to look up, without those of rows of which all that would be found was given; and which these are."""
        keys = self._keys.get(lookup.by)
        if keys is None:
            keys = self._keys[lookup.by] = Keys.of(lookup.by.encoded(self._columns))
        given = self._all_given(lookup)
        if given is None:
            return keys, None
        return Keys.of([None if one else key for key, one in zip(keys.by_row, given, strict=True)]), given

    def _fetched(self, wanted: list[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        """Stored rows, read together with whether their layouts are those that are known; if not, those are read first."""
        while wanted:
            (version,), *found = self._reader.get_each([_CHECKED, *wanted])
            if version == self.known.version:
                return found
            self.known = Known.of(self._reader, self._plan, version)
        return []

    def _stored(self, lookup: Lookup, found: Sequence[bytes | None]) -> Stored:
        """Rows of a table, read; those of one layout together."""
        arrays = self._arrays and lookup.filled.isdisjoint(self._plan.keys)  # a key that is NaN is not null
        there = [row for row in found if row is not None]
        marks = {row[:4] for row in there}
        if len(marks) == 1 and len(there) == len(found):
            return self._reader_of(lookup, marks.pop()).read_many(there, arrays=arrays)
        events: list[int] = []
        parts: list[list[Sequence[Any]]] = []
        places = [-1] * len(found)
        for mark in marks:
            some = {n: row for n, row in enumerate(found) if row is not None and row[:4] == mark}
            for place, n in enumerate(some, start=len(events)):
                places[n] = place
            times, values = self._reader_of(lookup, mark).read_many(list(some.values()), arrays=arrays)
            events += times
            parts.append(values)
        columns = parts[0] if len(parts) == 1 else [list(chain(*column)) for column in zip(*parts, strict=True)]
        return taken((events, columns or [()] * len(lookup.names)), places)

    def _reader_of(self, lookup: Lookup, mark: bytes) -> RowReader:
        found = self.known.readers.get(lookup, {}).get(mark)
        if found is None:
            name = lookup.group.versioned_name
            raise OnlineStoreError(
                f"A row of '{name}' is laid out in a way that the online store does not know.",
                next_step=f"Load the group anew: fti online load {name} --full.",
            )
        return found

    def _fill(self, lookup: Lookup, keys: Keys, given: Sequence[bool] | None, stored: Stored) -> Outcome:
        """Puts what was found to its places: what became known by the time of the row, and is not older than the ttl."""
        if keys.places is not None:
            stored = taken(stored, keys.places)
        events, columns = stored
        times = [None if event == NO_TIME else event for event in events] if NO_TIME in events else events
        statuses: list[Status]
        if self._all_count(lookup, events):
            statuses, is_found = ["found"] * len(events), None
        else:
            statuses = [self._status(lookup, n, keys, given, event) for n, event in enumerate(events)]
            is_found = [status == "found" for status in statuses]
        if is_found is None and lookup.span is not None and lookup.filled.isdisjoint(self._given):
            self._columns[lookup.span] = columns
            return statuses, times
        repeated = ((place, self._columns[lookup.by.places[key]]) for place, key in lookup.repeated)
        for place, column in (*zip(lookup.places, columns, strict=True), *repeated, *((place, events) for place in lookup.timed)):
            self._put(place, column if is_found is None else _where(is_found, column))
        return statuses, times

    def _all_count(self, lookup: Lookup, events: Sequence[int | None]) -> bool:
        """Whether there is a row for each request, and each of them counts."""
        if None in events or not events:
            return False
        if max(events) > self._first:  # type: ignore[type-var,operator]
            return False
        return lookup.ttl is None or min(events) >= self._last - lookup.ttl  # type: ignore[type-var,operator]

    def _status(self, lookup: Lookup, n: int, keys: Keys, given: Sequence[bool] | None, event: int | None) -> Status:
        if event is not None:
            return status_of(event, self._at[n], lookup.ttl)
        if given is not None and given[n]:
            return "given"
        return "no_key" if keys.by_row[n] is None else "missing"

    def _fill_windows(self, lookup: Lookup, windows: Windows) -> Outcome:
        given = self._all_given(lookup)
        keys = zip(*(self._columns[place] for place in lookup.by.places), strict=True)
        asked = {n: (key, at) for n, (key, at) in enumerate(zip(keys, self._at, strict=True)) if not (given and given[n])}
        columns = [list(self._nothing) for _ in lookup.places]
        statuses: list[Status] = ["given"] * len(self._nothing)
        times: list[int | None] = list(self._nothing)
        for n, found in zip(asked, windows.find(self._reader, list(asked.values())) if asked else (), strict=True):
            for column, value in zip(columns, found.values, strict=True):
                column[n] = value
            statuses[n] = "no_key" if None in asked[n][0] else "missing" if found.newest is None else "found"
            times[n] = found.newest
        for place, column in zip(lookup.places, columns, strict=True):
            self._put(place, column)
        return statuses, times

    def _compute(self) -> None:
        """Computes the on-demand features, of all rows at once; those that were given stay."""
        times = as_array(self._at, "timestamp")
        for computed in self._plan.computed:
            if all(self._given.get(computed.place, [False])):
                continue
            inputs: dict[str, Array] = {
                name: times if place is None else as_array(self._columns[place], kind) for name, place, kind in computed.reads
            }
            self._put(computed.place, as_values(computed.one.compute(inputs), computed.one.result.type))
