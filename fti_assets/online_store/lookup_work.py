"""The work of one reading of a view: its rows are filled place by place, by one lookup after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from fti_assets.online_store import tables
from fti_assets.online_store.backend import Reader
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.features import OnlineRow, Status
from fti_assets.online_store.lookup_plan import Lookup, Plan, Slots
from fti_assets.online_store.rows import NO_TIME, Row
from fti_assets.online_store.tables import TABLES, VERSION
from fti_assets.online_store.windows import Windows
from fti_assets.vocabulary import Array, as_array, as_values

_GIVEN = b""
"""In place of the key of what came with the request."""
_CHECKED = (TABLES, VERSION)

Readers = Mapping[bytes, Callable[[bytes], Row]]
"""How rows are read, by how they begin: each layout of the table has its own."""
Rows = Mapping[bytes | None, Row | None]
"""Rows by their keys; None under the key of none."""
Outcome = tuple[list[Status], list[int | None]]
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
    return {layout.mark: layout.reader(lookup.names) for layout in table.layouts} if table else {}


class Work:
    """One reading of a view: its requests are completed side by side, one source after another."""

    def __init__(self, plan: Plan, reader: Reader, known: Known, requests: Sequence[Mapping[str, Any]], at: Sequence[int]) -> None:
        self.known = known
        self._plan, self._reader, self._at = plan, reader, at
        self._shapes = [plan.shape(tuple(request)) for request in requests]
        self._rows: list[Slots] = []
        self._gives_joined = True in [shape.gives_joined for shape in self._shapes]
        self._outcomes: list[Outcome] = [([], [])] * len(plan.sources)
        width = plan.width + 1
        for request, shape in zip(requests, self._shapes, strict=True):
            slots = [None] * width
            for place, value in zip(shape.places, request.values(), strict=True):
                slots[place] = value
            self._rows.append(slots)

    def done(self) -> list[OnlineRow]:
        """Each request completed, in their order."""
        plan, count = self._plan, len(self._rows)
        if plan.time is not None:
            self._put_time(plan.time)
        if plan.spine is not None:
            self._find_spine(plan.spine)
        for step in plan.steps:
            self._find(step)
        if plan.computed:
            self._compute()
        end = plan.features
        statuses, times = zip(*self._outcomes, strict=True) if self._outcomes else ((), ())
        every_status = zip(*statuses, strict=True) if statuses else repeat((), count)
        every_time = zip(*times, strict=True) if times else repeat((), count)
        return [OnlineRow(tuple(row[:end]), *others) for row, *others in zip(self._rows, every_time, every_status, strict=False)]

    def _put_time(self, place: int) -> None:
        for slots, shape, at in zip(self._rows, self._shapes, self._at, strict=True):
            if place not in shape.given:
                slots[place] = at

    def _find_spine(self, spine: Lookup) -> None:
        count = len(self._rows)
        if False not in [shape.gives_spine for shape in self._shapes]:
            self._outcomes[0] = (["given"] * count, [None] * count)
        elif spine.group.online:
            self._find((spine,))
        else:
            statuses: list[Status] = ["given" if shape.gives_spine else "missing" for shape in self._shapes]
            self._outcomes[0] = (statuses, [None] * count)

    def _find(self, step: Sequence[Lookup]) -> None:
        """Finds what some lookups give, all that is stored by entity in one round trip."""
        asked = [(one, self._keys(one)) for one in step if one.windows is None]
        different = [keys if len(keys) == 1 else list(dict.fromkeys(keys)) for _, keys in asked]
        wanted = [(one.table, key) for (one, _), keys in zip(asked, different, strict=True) for key in keys if key]
        found = iter(self._fetched(wanted))
        for (one, keys), some in zip(asked, different, strict=True):
            rows = self._decoded(one, some, found)
            outcome = self._fill(one, keys, rows)
            if one.source is not None:
                self._outcomes[one.source] = outcome
        for one in step:
            if one.windows is not None and one.source is not None:
                self._outcomes[one.source] = self._fill_windows(one, one.windows)

    def _keys(self, lookup: Lookup) -> list[bytes | None]:
        """For each row the key to look up: None where a part of it is null, empty where all that is found was given."""
        encoded = lookup.encoded
        if not self._gives_joined and lookup is not self._plan.spine:
            return [encoded(slots) for slots in self._rows]
        pairs = zip(self._rows, self._shapes, strict=True)
        return [_GIVEN if lookup.filled <= shape.given else encoded(slots) for slots, shape in pairs]

    def _fetched(self, wanted: list[tuple[str, bytes]]) -> list[bytes | None]:
        """Stored rows, read together with whether their layouts are those that are known; if not, those are read first."""
        while wanted:
            version, *found = self._reader.get_each([_CHECKED, *wanted])
            if version == self.known.version:
                return found
            self.known = Known.of(self._reader, self._plan, version)
        return []

    def _decoded(self, lookup: Lookup, keys: Sequence[bytes | None], found: Iterator[bytes | None]) -> Rows:
        """The rows of some keys, of stored ones as they come."""
        readers = self.known.readers.get(lookup, {})
        try:
            return {key: readers[data[:4]](data) if key and (data := next(found)) is not None else None for key in keys}
        except KeyError as error:
            name = lookup.group.versioned_name
            raise OnlineStoreError(
                f"A row of '{name}' is laid out in a way that the online store does not know.",
                next_step=f"Load the group anew: fti online load {name} --full.",
            ) from error

    def _fill(self, lookup: Lookup, keys: Sequence[bytes | None], rows: Rows) -> Outcome:
        """Puts what was found to its places: what became known by the time of the row, and is not older than the ttl."""
        statuses: list[Status] = []
        times: list[int | None] = []
        ttl, span = lookup.ttl, None if self._gives_joined or lookup is self._plan.spine else lookup.span
        for n, (key, at) in enumerate(zip(keys, self._at, strict=True)):
            row = rows[key]
            if row is None:
                statuses.append("missing" if key else "no_key" if key is None else "given")
                times.append(None)
                continue
            event, values = row
            times.append(None if event == NO_TIME else event)
            if event > at:
                statuses.append("future")
            elif ttl is not None and event < at - ttl:
                statuses.append("expired")
            else:
                statuses.append("found")
                if span is not None:
                    self._rows[n][span] = values
                else:
                    self._put(lookup, n, event, values)
        return statuses, times

    def _put(self, lookup: Lookup, n: int, event: int, values: Sequence[Any]) -> None:
        """Puts values to their places, but for those that were given."""
        slots, given = self._rows[n], self._shapes[n].given
        found = [
            *zip(lookup.places, values, strict=True),
            *((place, slots[lookup.key_places[key]]) for place, key in lookup.repeated),
            *((place, event) for place in lookup.timed),
        ]
        for place, value in found:
            if place not in given:
                slots[place] = value

    def _fill_windows(self, lookup: Lookup, windows: Windows) -> Outcome:
        rows = [n for n, shape in enumerate(self._shapes) if not (shape.gives_joined and lookup.filled <= shape.given)]
        asked = [(tuple(self._rows[n][place] for place in lookup.key_places), self._at[n]) for n in rows]
        statuses: list[Status] = ["given"] * len(self._rows)
        times: list[int | None] = [None] * len(self._rows)
        for n, (key, _), found in zip(rows, asked, windows.find(self._reader, asked) if rows else (), strict=True):
            self._put(lookup, n, NO_TIME, found.values)
            statuses[n] = "no_key" if None in key else "missing" if found.newest is None else "found"
            times[n] = found.newest
        return statuses, times

    def _compute(self) -> None:
        """Computes the on-demand features, of all rows at once; those that were given stay."""
        times = as_array(self._at, "timestamp") if self._plan.computed else None
        for computed in self._plan.computed:
            if all(computed.place in shape.given for shape in self._shapes):
                continue
            inputs: dict[str, Array] = {
                name: times if place is None else as_array([slots[place] for slots in self._rows], kind)  # type: ignore[misc]
                for name, place, kind in computed.reads
            }
            values = as_values(computed.one.compute(inputs), computed.one.result.type)
            for slots, shape, value in zip(self._rows, self._shapes, values, strict=True):
                if computed.place not in shape.given:
                    slots[computed.place] = value
