"""The events of one window, as they are kept: one by one at its edges, and in tiles between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Reader
from fti_assets.online_store.window_layouts import EventLayout, Registered
from fti_assets.online_store.window_tiles import Numbers, TileCodec
from fti_assets.online_store.window_values import EventCodec, Stored

Items = Sequence[tuple[bytes, bytes]]
_FEWEST_TILES = 2
"""Fewer are not worth a look: their events are read instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the events of one layout are read.

    Attributes:
        places: where the values of an event have a column, by its name.
        tiled: where the tiles have a column, by its name.
        whole: the columns of whole numbers.
    """

    table: str
    layout: EventLayout
    codec: EventCodec
    tiles: TileCodec
    places: dict[str, int]
    tiled: dict[str, int]
    whole: frozenset[str]

    @staticmethod
    def of(said: Registered, layout: EventLayout) -> Plan:
        return Plan(
            table=said.table(layout),
            layout=layout,
            codec=said.codec,
            tiles=said.tiles(layout),
            places={name: n for n, (name, _) in enumerate(said.columns)},
            tiled={name: n for n, name in enumerate(layout.tiled)},
            whole=frozenset(name for name, kind in said.columns if kind == "int"),
        )


class Events:
    """The events of one key."""

    def __init__(self, reader: Reader, plan: Plan, prefix: bytes) -> None:
        self._reader, self._prefix, self.plan = reader, prefix, plan
        self._read: dict[bytes, tuple[bytes, Items]] = {}

    def window(self, start: int, end: int, *, by_tiles: bool) -> Window:
        """The events with `start <= event time < end`; by tiles where that is allowed and saves something."""
        length = self.plan.layout.tile
        first, behind = -(-start // length), end // length
        if not by_tiles or behind - first < _FEWEST_TILES:
            return Window(self, self.between(start, end))
        tiles = self._scan(keys.TILES, first, behind)
        return Window(self, self.between(start, first * length), tiles, self.between(behind * length, end))

    def between(self, start: int, end: int) -> Items:
        return self._scan(keys.EVENTS, start, end)

    def of_tile(self, tile: tuple[bytes, bytes]) -> Items:
        number, length = keys.number_of(tile[0][keys.TIME]), self.plan.layout.tile
        return self.between(number * length, (number + 1) * length)

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
    """The events of a window: the first of them, the tiles of those in the middle, the last of them."""

    def __init__(self, events: Events, head: Items, tiles: Items = (), tail: Items = ()) -> None:
        self._events, self._plan, self._head, self._tiles, self._tail = events, events.plan, head, tiles, tail
        self._data = [data for _, data in (*head, *tail)]
        self._fields = self._plan.tiles.read([data for _, data in tiles])

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
        return Numbers(values, is_whole=column in self._plan.whole)

    def first(self, column: str) -> Stored:
        """The value of the earliest event, which may be null; null where there is none."""
        events = self._head or (self._events.of_tile(self._tiles[0]) if self._tiles else self._tail)
        return self._plan.codec.decode(events[0][1])[self._plan.places[column]] if events else None

    def last(self, column: str) -> Stored:
        """The value of the latest event, as `first`."""
        events = self._last_events
        return self._plan.codec.decode(events[-1][1])[self._plan.places[column]] if events else None

    @property
    def newest(self) -> int | None:
        """The time of the latest event in microseconds."""
        events = self._last_events
        return keys.number_of(events[-1][0][keys.TIME]) if events else None

    @property
    def _last_events(self) -> Items:
        return self._tail or (self._events.of_tile(self._tiles[-1]) if self._tiles else self._head)
