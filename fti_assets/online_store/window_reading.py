"""The events of one window, as they are kept: one by one at its edges, and in tiles between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Reader
from fti_assets.online_store.window_counting import MANY
from fti_assets.online_store.window_layouts import PARTS, EventLayout, Registered
from fti_assets.online_store.window_tiles import Numbers, TileCodec, numbers_of
from fti_assets.online_store.window_values import EventCodec, Stored

Items = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the events of one layout are read.

    Attributes:
        places: where the values of an event have a column, by its name.
        tiled: where the tiles have a column, by its name.
        kinds: the types of the columns, by their names.
    """

    table: str
    layout: EventLayout
    codec: EventCodec
    tiles: TileCodec
    places: dict[str, int]
    tiled: dict[str, int]
    kinds: dict[str, str]

    @staticmethod
    def of(said: Registered, layout: EventLayout) -> Plan:
        return Plan(
            table=said.table(layout),
            layout=layout,
            codec=said.codec,
            tiles=said.tiles(layout),
            places={name: n for n, (name, _) in enumerate(said.columns)},
            tiled={name: n for n, name in enumerate(layout.tiled)},
            kinds=dict(said.columns),
        )


class ChangedError(Exception):
    """What was read does not fit together: it has changed while it was read, by a backend that has no snapshots."""


class Part(NamedTuple):
    """A part of a window: events, or tiles of a level, in the order of their times."""

    level: int | None
    items: Items


class Events:
    """The events of one key."""

    def __init__(self, reader: Reader, plan: Plan, prefix: bytes) -> None:
        self._reader, self._prefix, self.plan = reader, prefix, plan
        self._read: dict[bytes, tuple[bytes, Items]] = {}

    def window(self, start: int, end: int, *, by_tiles: bool) -> Window:
        """The events with `start <= event time < end`, by tiles where that is allowed and saves something."""
        return Window(self, self._parts(0, start, end) if by_tiles else self._events(start, end))

    def _parts(self, level: int, start: int, end: int) -> list[Part]:
        """A stretch of time as tiles of a level, and at its edges what part of a tile lies in it."""
        length = self.plan.layout.lengths[level]
        first, behind = -(-start // length), end // length
        if behind < first:
            return self._edge(level, behind, start, end)
        tiles = Part(level, self._scan(keys.TILES[level], first, behind))
        return [*self._edge(level, first - 1, start, first * length), tiles, *self._edge(level, behind, behind * length, end)]

    def _edge(self, level: int, number: int, start: int, end: int) -> list[Part]:
        """A part of a tile: events, or tiles of the next level where it has many."""
        if start >= end:
            return []
        return self._parts(level + 1, start, end) if self._is_cut(level, number) else self._events(start, end)

    def _is_cut(self, level: int, number: int) -> bool:
        if level + 1 == len(self.plan.layout.lengths):
            return False
        tiles = self._scan(keys.TILES[level], number, number + 1)
        return bool(tiles) and self.plan.tiles.rows(tiles[0][1]) > MANY

    def _events(self, start: int, end: int) -> list[Part]:
        return [Part(None, self._scan(keys.EVENTS, start, end))]

    def first_of(self, part: Part) -> tuple[bytes, bytes]:
        """The earliest event of a part that is not empty."""
        if part.level is None:
            return part.items[0]
        length = self.plan.layout.lengths[part.level]
        number = keys.number_of(part.items[0][0][keys.TIME])
        span = keys.span(keys.EVENTS, self._prefix, number * length, (number + 1) * length)
        found = next(self._reader.scan(self.plan.table, *span), None)
        if found is None:
            raise ChangedError
        return found

    def last_of(self, part: Part) -> tuple[bytes, bytes]:
        """The latest event of a part that is not empty."""
        while part.level is not None:
            level, number = part.level, keys.number_of(part.items[-1][0][keys.TIME])
            if self._is_cut(level, number):
                part = Part(level + 1, self._scan(keys.TILES[level + 1], number * PARTS, (number + 1) * PARTS))
            else:
                length = self.plan.layout.lengths[level]
                (part,) = self._events(number * length, (number + 1) * length)
            if not part.items:
                raise ChangedError
        return part.items[-1]

    def _scan(self, kind: bytes, start: int, end: int) -> Items:
        """Windows of different lengths that end together have their last part in common, which is read once."""
        if start >= end:
            return ()
        first, behind = keys.span(kind, self._prefix, start, end)
        known = self._read.get(behind)
        if known and known[0] <= first:
            return known[1][bisect_left(known[1], first, key=itemgetter(0)) :]
        found = list(self._reader.scan(self.plan.table, first, behind))
        self._read[behind] = (first, found)
        return found


class Window:
    """The events of a window, in parts."""

    def __init__(self, events: Events, parts: Sequence[Part]) -> None:
        self._events, self._plan = events, events.plan
        self._parts = [part for part in parts if part.items]
        self._data = [data for part in self._parts if part.level is None for _, data in part.items]
        tiles = [data for part in self._parts if part.level is not None for _, data in part.items]
        self._fields = self._plan.tiles.read(tiles)

    @property
    def rows(self) -> int:
        return len(self._data) + int(sum(self._fields[0]))

    def values(self, column: str) -> list[Stored]:
        """The values of a column, nulls left out, of a window that was read without tiles."""
        return [value for value in self._plan.codec.column(self._plan.places[column], self._data) if value is not None]

    def numbers(self, column: str) -> Numbers:
        """The numbers of a column, nulls left out."""
        values: list[float] = self.values(column)  # type: ignore[assignment]
        if column in self._plan.tiled:
            return self._plan.tiles.numbers(self._plan.tiled[column], values, self._fields)
        return numbers_of(self._plan.kinds[column], values)

    def first(self, column: str) -> Stored:
        """The value of the earliest event, which may be null; null where there is none."""
        if not self._parts:
            return None
        return self._plan.codec.decode(self._events.first_of(self._parts[0])[1])[self._plan.places[column]]

    def last(self, column: str) -> Stored:
        """The value of the latest event, as `first`."""
        if not self._parts:
            return None
        return self._plan.codec.decode(self._events.last_of(self._parts[-1])[1])[self._plan.places[column]]

    @property
    def newest(self) -> int | None:
        """The time of the latest event in microseconds."""
        return keys.number_of(self._events.last_of(self._parts[-1])[0][keys.TIME]) if self._parts else None
