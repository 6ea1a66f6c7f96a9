"""What events are kept for the windows of views: by which columns, how far back, and which numbers in tiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cached_property, lru_cache
from itertools import accumulate, repeat, takewhile
from operator import floordiv
from typing import Any

from fti_assets.online_store.backend import Reader, Writer
from fti_assets.online_store.window_tiles import TileCodec
from fti_assets.online_store.window_values import EventCodec
from fti_assets.vocabulary import Column, FeatureGroup, FeatureView, WindowedSelection

WINDOWS = "windows"
"""Table of what is registered, by the name of the group."""
BEYOND = timedelta(days=1)
"""How far before the newest event of its key a window may end and still be answered, unless said otherwise."""
NEVER = (1 << 63) - 1
"""In place of a time up to which events may be missing: all may be, since they have not been loaded."""
NOTHING = 0
"""In place of the publication up to which events were loaded: none had been published, so there were none to load."""
PARTS = 64
"""In how many tiles the longest window is cut at most, and into how many smaller ones a tile."""
_TILED = ("count", "sum", "mean", "min", "max", "std")
_SHORTEST = 1 << 10
"""Microseconds of the shortest tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one view asks of the events of a group.

    Attributes:
        by: columns whose values the events of a window share.
        longest: length of its longest window in microseconds.
        beyond: how far before the newest event of its key a window may end, in microseconds.
        tiled: columns whose numbers it aggregates in such a way that tiles answer it.
    """

    by: tuple[str, ...]
    longest: int
    beyond: int
    tiled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLayout:
    """How events are kept for windows that share the columns `by`.

    Attributes:
        number: of its own table; another one whenever anything of how events are kept changes.
        longest: length of the longest window in microseconds.
        keep: how long before the newest event of their key events are kept, in microseconds.
        tile: length of the largest tiles in microseconds, a power of two.
        tiled: columns whose numbers are kept in tiles.
        known_after: events up to this time may be missing, since they were not loaded; None where none are.
    """

    number: int
    by: tuple[str, ...]
    longest: int
    keep: int
    tile: int
    tiled: tuple[str, ...]
    known_after: int | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of tiles in microseconds, the largest first."""
        return _lengths(self.tile)

    def is_like(self, other: EventLayout) -> bool:
        """Whether events are kept in the same way."""
        return replace(self, number=0, known_after=None) == replace(other, number=0, known_after=None)


@lru_cache(maxsize=64)
def _lengths(longest: int) -> tuple[int, ...]:
    return tuple(takewhile(lambda length: length >= _SHORTEST, accumulate(repeat(PARTS), floordiv, initial=longest)))


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What is kept of the events of a group.

    Attributes:
        demands: of each view, by its versioned name.
        columns: names and types of the values of an event, in their order.
        layouts: what is there: one for each combination of columns by which views aggregate.
        next_number: of the next table.
        loaded: up to which publication of the lake its events were loaded, in microseconds; None where none were.
        loaded_until: up to which event time they were; None where there was no limit.
    """

    group: str
    demands: Mapping[str, tuple[Demand, ...]]
    columns: tuple[tuple[str, str], ...]
    layouts: tuple[EventLayout, ...] = ()
    next_number: int = 1
    loaded: int | None = None
    loaded_until: int | None = None

    @staticmethod
    @lru_cache(maxsize=64)
    def read(data: bytes) -> Registered:
        """What was written; the same object each time, since it is read in every transaction."""
        said = json.loads(data)
        said["demands"] = {view: tuple(Demand(**_tuples(one)) for one in some) for view, some in said["demands"].items()}
        said["layouts"] = tuple(EventLayout(**_tuples(one)) for one in said["layouts"])
        said["columns"] = tuple(map(tuple, said["columns"]))
        return Registered(**said)

    def written(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @cached_property
    def codec(self) -> EventCodec:
        return EventCodec(tuple(Column(name, kind) for name, kind in self.columns))  # type: ignore[arg-type]

    def tiles(self, layout: EventLayout) -> TileCodec:
        return self._tile_codecs[layout.by]

    @cached_property
    def _tile_codecs(self) -> Mapping[tuple[str, ...], TileCodec]:
        columns = {column.name: column for column in self.codec.columns}
        return {layout.by: TileCodec(tuple(columns[name] for name in layout.tiled)) for layout in self.layouts}

    def place(self, name: str) -> int:
        """Where the values of an event have a column."""
        return [column for column, _ in self.columns].index(name)

    def layout(self, by: Sequence[str]) -> EventLayout | None:
        return next((layout for layout in self.layouts if layout.by == tuple(by)), None)

    def table(self, layout: EventLayout) -> str:
        """The table of a layout: events, tiles, heads and places, told apart by the first byte of their keys."""
        return f"{WINDOWS}:{self.group}:{layout.number}"

    @property
    def wanted(self) -> list[EventLayout]:
        """The layouts that satisfy the views, without numbers."""
        by: dict[tuple[str, ...], list[Demand]] = {}
        for demand in (demand for some in self.demands.values() for demand in some):
            by.setdefault(demand.by, []).append(demand)
        return [_layout(columns, some) for columns, some in by.items()]

    @property
    def needs_loading(self) -> bool:
        """Whether what is there is less than what the views need, until the events are loaded from the lake."""
        return self.loaded is None or any(not self._has(layout) for layout in self.wanted)

    def _has(self, wanted: EventLayout) -> bool:
        found = self.layout(wanted.by)
        return found is not None and found.is_like(wanted) and found.known_after != NEVER


def _tuples(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}


def _layout(by: tuple[str, ...], asked: Sequence[Demand]) -> EventLayout:
    longest = max(one.longest for one in asked)
    return EventLayout(
        number=0,
        by=by,
        longest=longest,
        keep=max(one.longest + one.beyond for one in asked),
        tile=max(_SHORTEST, 1 << (longest // PARTS).bit_length()),
        tiled=tuple(sorted({name for one in asked for name in one.tiled})),
    )


def registered(reader: Reader, group: FeatureGroup | str) -> Registered | None:
    """What is kept of the events of a group; None where no view reads it through windows."""
    name = group if isinstance(group, str) else group.versioned_name
    (found,) = reader.get_many(WINDOWS, [name.encode()])
    return None if found is None else Registered.read(found)


def save(writer: Writer, said: Registered) -> None:
    writer.put_many(WINDOWS, [(said.group.encode(), said.written())])


def register(writer: Writer, view: FeatureView, *, beyond: timedelta = BEYOND, is_beginning: bool = False) -> list[FeatureGroup]:
    """Says that a view is read online, so that the events of the groups that it aggregates are kept for its windows.

    Events that are added from now on are kept. Until those of before are loaded (`load_events`), its windows give nulls, unless
    what is there already answers them.

    Args:
        writer: of the online store.
        view: what is read.
        beyond: how far before the newest event of its key a window may end and still be answered.
        is_beginning: whether there are no events of before.

    Returns:
        The groups of which events are to be loaded.
    """
    needy = []
    for group, asked in _demands(view, beyond).items():
        before = registered(writer, group)
        said = before or Registered(group=group.versioned_name, demands={}, columns=value_columns(group))
        said = _with_new(replace(said, demands={**said.demands, view.versioned_name: asked}), None if is_beginning else NEVER)
        if said != before:
            save(writer, said)
        needy += [group] if said.needs_loading or said.columns != value_columns(group) else []
    return needy


def _with_new(said: Registered, known_after: int | None) -> Registered:
    """With layouts for columns by which nothing was kept yet."""
    new = [layout for layout in said.wanted if said.layout(layout.by) is None]
    numbered = [replace(layout, number=said.next_number + n, known_after=known_after) for n, layout in enumerate(new)]
    return replace(said, layouts=(*said.layouts, *numbered), next_number=said.next_number + len(new))


def anew(writer: Writer, group: FeatureGroup, said: Registered) -> Registered:
    """Layouts with nothing in them, in place of those that are there."""
    for layout in said.layouts:
        writer.drop(said.table(layout))
    return _with_new(replace(said, columns=value_columns(group), layouts=(), loaded=None, loaded_until=None), NEVER)


def forget(writer: Writer, group: FeatureGroup) -> None:
    """Removes what is kept of the events of a group, and what views asked of them."""
    said = registered(writer, group)
    for layout in said.layouts if said else ():
        assert said is not None
        writer.drop(said.table(layout))
    writer.delete_many(WINDOWS, [group.versioned_name.encode()])


def value_columns(group: FeatureGroup) -> tuple[tuple[str, str], ...]:
    """Names and types of what is kept of an event: all of it."""
    return tuple((column.name, column.type) for column in group.table.columns)


def _demands(view: FeatureView, beyond: timedelta) -> dict[FeatureGroup, tuple[Demand, ...]]:
    """What a view asks of the events of each group that it reads through windows."""
    asked: dict[FeatureGroup, tuple[Demand, ...]] = {}
    for selection in view.joined:
        if isinstance(selection, WindowedSelection):
            asked[selection.group] = (*asked.get(selection.group, ()), _demand(selection, beyond))
    return asked


def _demand(selection: WindowedSelection, beyond: timedelta) -> Demand:
    kinds = {column.name: column.type for column in selection.group.table.columns}
    tiled = {a.column for a in selection.aggregates if a.column and a.function in _TILED}
    microsecond = timedelta(microseconds=1)
    return Demand(
        by=selection.by,
        longest=max(a.last for a in selection.aggregates) // microsecond,
        beyond=beyond // microsecond,
        tiled=tuple(sorted(name for name in tiled if kinds[name] in ("float", "int"))),
    )
