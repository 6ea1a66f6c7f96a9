"""How events are counted in tiles: each new one into those that hold it, and those of changed ones again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Writer
from fti_assets.online_store.window_layouts import PARTS, EventLayout, Registered
from fti_assets.online_store.window_values import Stored

MANY = 128
"""A tile of more events is cut into smaller ones; the events of others are read one by one where only some of them count."""


class Counted(NamedTuple):
    """An event as it is counted.

    Attributes:
        prefix: what stands for its key.
        time: its event time in microseconds.
        values: of all columns kept.
    """

    prefix: bytes
    time: int
    values: Sequence[Stored]


class TileWriter:
    """Writes the tiles of one layout. A tile has smaller ones if, and only if, it has more than MANY events."""

    def __init__(self, writer: Writer, said: Registered, layout: EventLayout) -> None:
        self._writer, self._table, self._lengths = writer, said.table(layout), layout.lengths
        self._codec, self._values = said.tiles(layout), said.codec
        self._tiled = [said.place(name) for name in layout.tiled]

    def count(self, new: Sequence[Counted], changed: Iterable[tuple[bytes, int]]) -> None:
        """Counts events that have been written.

        Args:
            new: those that were not there.
            changed: prefixes and times at which others came, went or have other values.
        """
        length = self._lengths[0]
        again: dict[tuple[bytes, int], list[int]] = {}
        for prefix, time in changed:
            again.setdefault((prefix, time // length), []).append(time)
        for event in new:
            if (event.prefix, event.time // length) in again:
                again[event.prefix, event.time // length].append(event.time)
        for (prefix, number), times in again.items():
            self._count_again(0, prefix, number, times)
        self._add(0, [event for event in new if (event.prefix, event.time // length) not in again])

    def _add(self, level: int, new: Sequence[Counted]) -> None:
        """Counts new events into the tiles of a level, and of those below where there are any."""
        tiles: dict[tuple[bytes, int], list[Counted]] = {}
        for event in new:
            tiles.setdefault((event.prefix, event.time // self._lengths[level]), []).append(event)
        found = self._writer.get_many(self._table, [keys.tile_key(level, *tile) for tile in tiles])
        put, below = [], []
        for (tile, some), old in zip(tiles.items(), found, strict=True):
            columns = [[event.values[n] for event in some] for n in self._tiled]
            put.append((keys.tile_key(level, *tile), self._codec.tile(len(some), columns, [old] if old else [])))
            if old and self._is_cut(level, self._codec.rows(old)):
                below += some
        self._writer.put_many(self._table, sorted(put), ordered=True)
        if below:
            self._add(level + 1, below)
        for ((prefix, number), _), (_, made), old in zip(tiles.items(), put, found, strict=True):
            if self._is_cut(level, self._codec.rows(made)) and not (old and self._is_cut(level, self._codec.rows(old))):
                self._cut(level, prefix, number)

    def _is_cut(self, level: int, rows: int) -> bool:
        """Whether a tile of so many events has smaller ones."""
        return rows > MANY and level + 1 < len(self._lengths)

    def _cut(self, level: int, prefix: bytes, number: int) -> None:
        """Makes the smaller tiles of a tile, from its events."""
        length = self._lengths[level + 1]
        events = self._events(level, prefix, number)
        for part, some in groupby(events, lambda event: keys.number_of(event[0][keys.TIME]) // length):
            data = [value for _, value in some]
            self._put(level + 1, prefix, part, self._of_events(data))
            if self._is_cut(level + 1, len(data)):
                self._cut(level + 1, prefix, part)

    def _count_again(self, level: int, prefix: bytes, number: int, times: Sequence[int]) -> None:
        """Counts a tile again: of its smaller ones those in which something changed, else its events."""
        (old,) = self._writer.get_many(self._table, [keys.tile_key(level, prefix, number)])
        if old is None or not self._is_cut(level, self._codec.rows(old)):
            events = [value for _, value in self._events(level, prefix, number)]
            self._put(level, prefix, number, self._of_events(events) if events else None)
            if self._is_cut(level, len(events)):
                self._cut(level, prefix, number)
            return
        below = self._lengths[level + 1]
        for part, some in groupby(sorted(times), lambda time: time // below):
            self._count_again(level + 1, prefix, part, list(some))
        parts = [tile for _, tile in self._parts(level, prefix, number)]
        made = self._codec.together(parts) if parts else None
        self._put(level, prefix, number, made)
        if made is None or not self._is_cut(level, self._codec.rows(made)):
            self._remove_parts(level, prefix, number)

    def _remove_parts(self, level: int, prefix: bytes, number: int) -> None:
        """Removes the smaller tiles of a tile; none of these is cut, since together they have few events."""
        self._writer.delete_many(self._table, [key for key, _ in self._parts(level, prefix, number)])

    def _put(self, level: int, prefix: bytes, number: int, tile: bytes | None) -> None:
        key = keys.tile_key(level, prefix, number)
        if tile is None:
            self._writer.delete_many(self._table, [key])
        else:
            self._writer.put_many(self._table, [(key, tile)], ordered=True)

    def _of_events(self, data: Sequence[bytes]) -> bytes:
        return self._codec.tile(len(data), [self._values.column(n, data) for n in self._tiled])

    def _events(self, level: int, prefix: bytes, number: int) -> list[tuple[bytes, bytes]]:
        length = self._lengths[level]
        return list(self._writer.scan(self._table, *keys.span(keys.EVENTS, prefix, number * length, (number + 1) * length)))

    def _parts(self, level: int, prefix: bytes, number: int) -> list[tuple[bytes, bytes]]:
        span = keys.span(keys.TILES[level + 1], prefix, number * PARTS, (number + 1) * PARTS)
        return list(self._writer.scan(self._table, *span))

    def prune(self, prefix: bytes, last: int, most: int) -> list[bytes]:
        """The keys of tiles all of whose events were let go, up to `last`, so many of each level at most."""
        spans = [keys.up_to(keys.TILES[level], prefix, last // length) for level, length in enumerate(self._lengths)]
        return [key for span in spans for key, _ in islice(self._writer.scan(self._table, *span), most)]
