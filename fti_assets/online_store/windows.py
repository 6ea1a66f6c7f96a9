"""Aggregates over windows that end at the moment of asking, from events that are kept online: what the join gives offline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Reader
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.window_events import Added, add_events, remove_events
from fti_assets.online_store.window_layouts import WINDOWS, Registered, forget, register, registered
from fti_assets.online_store.window_loading import LoadedEvents, load_events
from fti_assets.online_store.window_reading import ChangedError, Events, Plan, Window
from fti_assets.online_store.window_values import FROM_STORED, Stored
from fti_assets.online_store.window_writing import Head
from fti_assets.vocabulary import Aggregate, FeatureGroup

__all__ = [
    "Added",
    "LoadedEvents",
    "Registered",
    "Windowed",
    "Windows",
    "add_events",
    "forget",
    "load_events",
    "register",
    "registered",
    "remove_events",
]

_OF_NUMBERS = ("count", "sum", "mean", "min", "max", "std")
"""What tiles answer, of columns of numbers."""
_ATTEMPTS = 20
"""How often events are read again that have changed while they were read."""


class Windowed(NamedTuple):
    """The aggregates of one key at one time.

    Attributes:
        values: in the order of the aggregates.
        newest: event time of the newest event in the longest window, in microseconds; None where there is none.
        is_known: whether the events of the windows are kept; all values are None where they are not.
    """

    values: tuple[Any, ...]
    newest: int | None
    is_known: bool


@dataclass(slots=True)
class Windows:
    """Some aggregates of a group's events by some columns, made once and evaluated for ever.

    The windows are those of the join: an event counts when `at - last < event time <= at`. Counts are 0 where no event lies in
    the window and everything else is None; a key with a null gives None for all. Events of one time are told apart by their key.
    """

    group: FeatureGroup
    by: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    _spans: tuple[_Span, ...] = field(init=False, repr=False)
    _keys: KeyCodec = field(init=False, repr=False)
    _known: tuple[Plan, bytes] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        lengths = sorted({aggregate.last for aggregate in self.aggregates}, reverse=True)  # what the first reads, the others use
        self._spans = tuple(_Span.of(last, self.group, self.aggregates) for last in lengths)
        self._keys = KeyCodec([self.group.table.column(name) for name in self.by])

    def evaluate(self, reader: Reader, key: Sequence[Any], at: int) -> tuple[Any, ...]:
        """The values of one key, given in the order of `by`, at a time in microseconds; None for all where they are not known.

        Raises:
            OnlineStoreError: no view is registered that aggregates the group by these columns.
        """
        return self.find(reader, [(key, at)])[0].values

    def find(self, reader: Reader, asked: Sequence[tuple[Sequence[Any], int]]) -> list[Windowed]:
        """The values of several keys, each at a time of its own; see `evaluate`.

        Raises:
            OnlineStoreError: as `evaluate`, or events come faster than they can be read.
        """
        prefixes = [keys.prefix_of(self._keys, key) for key, _ in asked]
        for _ in range(_ATTEMPTS):
            plan, said = self._plan(reader)
            heads = [keys.HEADS + prefix for prefix in dict.fromkeys(prefixes)]
            before = reader.get_many(plan.table, heads)
            read = dict(zip((key[1:] for key in heads), map(Head.read, before), strict=True))
            different = dict.fromkeys((prefix, at) for prefix, (_, at) in zip(prefixes, asked, strict=True))
            with suppress(ChangedError):
                made = {one: self._windowed(reader, plan, one[0], read[one[0]], one[1]) for one in different}
                if [[said], before] == reader.get_each([self._registration, (plan.table, heads)]):  # else they have changed
                    return [made[prefix, at] for prefix, (_, at) in zip(prefixes, asked, strict=True)]
        raise OnlineStoreError(
            f"Events of '{self.group.versioned_name}' changed each of the {_ATTEMPTS} times that they were read.",
            next_step="Ask for fewer rows at once.",
        )

    def _windowed(self, reader: Reader, plan: Plan, prefix: bytes, head: Head | None, at: int) -> Windowed:
        longest = self._spans[0].last
        known_after = [plan.layout.known_after, head and head.known_after]
        is_known = all(time is None or time <= at - longest for time in known_after)
        if prefix == keys.NOBODY or not is_known:
            return Windowed((None,) * len(self.aggregates), None, is_known)
        events, values = Events(reader, plan, prefix), [None] * len(self.aggregates)
        windows = [events.window(at - span.last + 1, at + 1, by_tiles=span.numbers <= plan.tiled.keys()) for span in self._spans]
        for span, window in zip(self._spans, windows, strict=True):
            for place, figure in span.figures:
                values[place] = figure(window)
        return Windowed(tuple(values), windows[0].newest, is_known=True)

    def _plan(self, reader: Reader) -> tuple[Plan, bytes]:
        """How what is kept is read, worked out again when it has changed; and what says so."""
        ((said,),) = reader.get_each([self._registration])
        if said is None or self._known is None or self._known[1] != said:
            read = None if said is None else Registered.read(said)
            layout = read.layout(self.by) if read else None
            if said is None or read is None or layout is None:
                raise OnlineStoreError(
                    f"No view is registered that aggregates '{self.group.versioned_name}' by {', '.join(self.by)}.",
                    next_step="Register the view, so that its events are kept: OnlineStore.register(view).",
                )
            self._known = (Plan.of(read, layout), said)
        return self._known

    @property
    def _registration(self) -> tuple[str, Sequence[bytes]]:
        return WINDOWS, (self.group.versioned_name.encode(),)


@dataclass(frozen=True, slots=True)
class _Span:
    """The aggregates of windows of one length.

    Attributes:
        last: the length in microseconds.
        figures: how each aggregate is computed, with its place among all.
        numbers: columns that tiles have to have, if the events between are not to be read; one that none has where they are.
    """

    last: int
    figures: tuple[tuple[int, Callable[[Window], Any]], ...]
    numbers: frozenset[str]

    @staticmethod
    def of(last: timedelta, group: FeatureGroup, aggregates: Sequence[Aggregate]) -> _Span:
        kinds = {column.name: column.type for column in group.table.columns}
        own = [(n, one) for n, one in enumerate(aggregates) if one.last == last]
        needed = {one.column if _is_of_numbers(one, kinds) else "" for _, one in own if one.column and one.function not in _ENDS}
        figures = tuple((n, _figure(one, kinds.get(one.column or "", ""))) for n, one in own)
        return _Span(last // timedelta(microseconds=1), figures, frozenset(needed))


_ENDS = ("first", "last")


def _is_of_numbers(aggregate: Aggregate, kinds: dict[str, Any]) -> bool:
    return aggregate.function in _OF_NUMBERS and kinds[aggregate.column or ""] in ("float", "int")


def _figure(aggregate: Aggregate, kind: str) -> Callable[[Window], Any]:
    """How an aggregate of a column of some kind is computed for a window."""
    column, share = aggregate.column, aggregate.share or 0.0
    if column is None:
        return lambda window: window.rows
    is_number, back = kind in ("float", "int"), FROM_STORED.get(kind, lambda value: value)
    if aggregate.function in _OF_NUMBERS and is_number:
        figure, fewest = _FIGURES[aggregate.function]
        return lambda window: figure(numbers) if (numbers := window.numbers(column)).count >= fewest else None
    other: dict[str, Callable[[Window], Any]] = {
        "count": lambda window: len(window.values(column)),
        "min": lambda window: min(window.values(column), default=None),  # type: ignore[type-var]
        "max": lambda window: max(window.values(column), default=None),  # type: ignore[type-var]
        "first": lambda window: window.first(column),
        "last": lambda window: window.last(column),
        "distinct_count": lambda window: _different(window.values(column)),
        "percentile": lambda window: _percentile(window.values(column), share),  # type: ignore[arg-type]
    }
    found = other[aggregate.function]
    if aggregate.function in ("count", "distinct_count"):
        return found
    return lambda window: None if (value := found(window)) is None else back(value)


_FIGURES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "count": (lambda numbers: numbers.count, 0),
    "sum": (lambda numbers: numbers.total, 1),
    "mean": (lambda numbers: numbers.mean, 1),
    "min": (lambda numbers: numbers.low, 1),
    "max": (lambda numbers: numbers.high, 1),
    "std": (lambda numbers: numbers.deviation, 2),
}
"""How each is computed, and of how many numbers at least."""


def _different(values: Sequence[Stored]) -> int:
    """How many different values there are; one NaN is like another."""
    ordered = {value for value in values if value == value}
    return len(ordered) + any(value != value for value in values)


def _percentile(values: Sequence[float], share: float) -> float | None:
    """Linear interpolation between neighbours; NaN is greater than every other number."""
    if not values:
        return None
    ordered, place = sorted(values, key=lambda value: (value != value, value)), share * (len(values) - 1)
    low = ordered[math.floor(place)]
    high = ordered[min(math.floor(place) + 1, len(ordered) - 1)]
    part = place - math.floor(place)
    return float(low + (high - low) * part if part else low)
