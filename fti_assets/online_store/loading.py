"""Rows into online tables: all at once in place of what is there, or some of them, of which the newest events win."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from fti_assets.online_store.backend import Writer
from fti_assets.online_store.given import Given, Withdrawn
from fti_assets.online_store.keys import instant
from fti_assets.online_store.rows import NO_TIME, times
from fti_assets.online_store.tables import OnlineTable, find, laid_out, renewed, save
from fti_assets.vocabulary import FeatureGroup

if TYPE_CHECKING:
    from fti_assets.online_store.bulk import Integers


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of rows.

    Attributes:
        written: entities whose newest row it is.
        older: rows that changed nothing: there is a newer event, or the same one as published at the same time or later.
        withdrawn: entities whose newest row was withdrawn; some may have an older one now, which counts as written.
    """

    written: int
    older: int
    withdrawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """What of the lake was brought online.

    Attributes:
        snapshot: of the lake.
        published_until: publication time up to which it was read.
        until: latest event time that was taken; None for all.
    """

    snapshot: int | None = None
    published_until: datetime | None = None
    until: datetime | None = None


def replace_rows(writer: Writer, group: FeatureGroup, given: Given, as_of: AsOf, now: datetime) -> OnlineTable:
    """Puts rows in place of all that a table holds."""
    before = find(writer, group.versioned_name)
    table, layout = renewed(group, before)
    size = _Size()
    writer.drop(table.rows)
    writer.put_many(table.rows, chain.from_iterable(map(size.counted, given.items(layout))), ascending=True)
    table = replace(table, entities=len(given.keys), size=size.bytes, loaded_at=now)
    table = _dated(table, given.event_times, as_of, now)
    save(writer, table, before)
    return table


def update_rows(
    writer: Writer, group: FeatureGroup, given: Given, withdrawn: Sequence[Withdrawn], as_of: AsOf, now: datetime
) -> Updated:
    """Takes away the events that were withdrawn, then puts the rows that are newer than what is there."""
    before = find(writer, group.versioned_name)
    table, layout = laid_out(group, before)
    touched = list(dict.fromkeys([*given.keys, *(one.key for one in withdrawn)]))
    held = dict(zip(touched, writer.get_many(table.rows, touched), strict=True))
    gone = {one.key: row for one in withdrawn if (row := held[one.key]) is not None and one.is_of(*times(row))}
    left = {key: None if key in gone else row for key, row in held.items()}
    newer = _newer(given, left)
    size = _Size()
    writer.put_many(table.rows, chain.from_iterable(map(size.counted, given.items(layout, newer))))
    written = {given.keys[n] for n in newer.tolist()}
    removed = gone.keys() - written
    writer.delete_many(table.rows, removed)
    lost = sum(len(key) + len(held[key] or b"") for key in written | removed if held[key] is not None)
    table = replace(
        table,
        entities=table.entities + sum(held[key] is None for key in written) - len(removed),
        size=table.size + size.bytes - lost,
    )
    save(writer, _dated(table, given.event_times[newer], as_of, now), before)
    return Updated(len(newer), given.count - len(newer), len(gone))


def _newer(given: Given, held: dict[bytes, bytes | None]) -> Integers:
    """The places of the rows that are newer than what is held of their entity."""
    import numpy as np

    events, published = given.event_times.tolist(), given.published_at.tolist()
    newer = [
        n
        for n, (key, *own) in enumerate(zip(given.keys, events, published, strict=True))
        if (row := held[key]) is None or tuple(own) > times(row)
    ]
    return np.array(newer, np.int64)


class _Size:
    """Counts the bytes of what passes."""

    def __init__(self) -> None:
        self.bytes = 0

    def counted(self, batch: tuple[list[bytes], list[bytes]]) -> Iterator[tuple[bytes, bytes]]:
        self.bytes += sum(map(len, batch[0])) + sum(map(len, batch[1]))
        return zip(*batch, strict=True)


def _dated(table: OnlineTable, event_times: Integers, as_of: AsOf, now: datetime) -> OnlineTable:
    """The table with what is known now of its times; the lake is never read less far than before."""
    newest = int(event_times.max(initial=NO_TIME))
    events = [time for time in (table.newest_event, instant(newest) if newest != NO_TIME else None) if time]
    reached = [time for time in (table.published_until, as_of.published_until) if time]
    return replace(
        table,
        newest_event=max(events, default=None),
        snapshot=table.snapshot if as_of.snapshot is None else max(as_of.snapshot, table.snapshot or 0),
        published_until=max(reached, default=None),
        until=as_of.until if as_of.snapshot is not None else table.until,
        updated_at=now if len(event_times) else table.updated_at,
    )
