"""Events that wait to be landed in the lake: kept in the online store, in the order in which they came, until they are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from fti_assets.online_store.backend import Reader, Writer
from fti_assets.online_store.window_events import moments_of
from fti_assets.online_store.window_keys import in_order, number_of
from fti_assets.online_store.window_values import TO_STORED
from fti_assets.vocabulary import FeatureGroup

_QUEUES = "queues"
"""Table of the first number and the next one of the queue of each group."""
_as_json = json.JSONEncoder(separators=(",", ":")).encode
_END = b"\xff" * 9


class Queued(NamedTuple):
    """An event that waits.

    Attributes:
        number: its place in the queue.
        moment: its event time and its entity as bytes.
        row: its values by name; times as microseconds and dates as days since 1970.
        is_last: whether no later one of the same entity and event time waits.
    """

    number: int
    moment: bytes
    row: Mapping[str, Any]
    is_last: bool


def enqueue(writer: Writer, group: FeatureGroup, rows: Sequence[Mapping[str, Any]]) -> int:
    """Puts rows of a group at the end of its queue. Returns how many wait then."""
    first, number = _bounds(writer, group)
    moments = moments_of(group)
    kinds = [(column.name, TO_STORED[column.type]) for column in group.table.columns]
    items, last = [], {}
    for row in rows:
        stored = {name: None if row.get(name) is None else kind(row[name]) for name, kind in kinds}
        moment = moments(row)
        items.append((in_order(number), len(moment).to_bytes(2) + moment + _as_json(stored).encode()))
        last[moment] = in_order(number)
        number += 1
    writer.put_many(_queue(group), items, ordered=True, ascending=True)
    writer.put_many(_last(group), sorted(last.items()))
    _set_bounds(writer, group, first, number)
    return number - first


def oldest(reader: Reader, group: FeatureGroup, most: int) -> list[Queued]:
    """The events that have waited longest, in their order."""
    read = [_read(key, value) for key, value in islice(reader.scan(_queue(group), b"", _END), most)]
    last = reader.get_many(_last(group), [moment for _, moment, _ in read])
    return [
        Queued(number, moment, row, is_last=where == in_order(number))
        for (number, moment, row), where in zip(read, last, strict=True)
    ]


def _read(key: bytes, value: bytes) -> tuple[int, bytes, Mapping[str, Any]]:
    moment = _moment(value)
    return number_of(key), moment, json.loads(value[2 + len(moment) :])


def _moment(value: bytes) -> bytes:
    return value[2 : 2 + int.from_bytes(value[:2])]


def remove(writer: Writer, group: FeatureGroup, end: int, most: int) -> int:
    """Takes away the events that have waited longest: those before the number `end`, so many at most. Returns how many."""
    first, number = _bounds(writer, group)
    items = list(islice(writer.scan(_queue(group), in_order(first), in_order(end)), most))
    moments = [_moment(value) for _, value in items]
    last = writer.get_many(_last(group), moments)
    writer.delete_many(_queue(group), [key for key, _ in items])
    writer.delete_many(_last(group), [moment for (key, _), moment, found in zip(items, moments, last, strict=True) if found == key])
    if items:
        _set_bounds(writer, group, number_of(items[-1][0]) + 1, number)
    return len(items)


def waiting(reader: Reader, group: FeatureGroup) -> int:
    """How many events of a group wait."""
    first, number = _bounds(reader, group)
    return number - first


def waits(reader: Reader, group: FeatureGroup, moments: Iterable[bytes]) -> list[bool]:
    """Whether an event of each of these entities and event times waits."""
    return [found is not None for found in reader.get_many(_last(group), list(moments))]


def _bounds(reader: Reader, group: FeatureGroup) -> tuple[int, int]:
    (found,) = reader.get_many(_QUEUES, [group.versioned_name.encode()])
    return (number_of(found[:8]), number_of(found[8:])) if found else (0, 0)


def _set_bounds(writer: Writer, group: FeatureGroup, first: int, number: int) -> None:
    writer.put_many(_QUEUES, [(group.versioned_name.encode(), in_order(first) + in_order(number))])


def _queue(group: FeatureGroup) -> str:
    return f"queue:{group.versioned_name}"


def _last(group: FeatureGroup) -> str:
    """Table of the last number under which an event of some entity and event time waits."""
    return f"queued:{group.versioned_name}"
