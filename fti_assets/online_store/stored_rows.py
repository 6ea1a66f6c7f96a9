"""The rows of one online table, by the keys of their entities: what is stored, whatever the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fti_assets.online_store.backend import Reader
from fti_assets.online_store.features import Status
from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.row_reading import RowReader
from fti_assets.online_store.rows import NO_TIME, times
from fti_assets.online_store.tables import OnlineTable


@dataclass(frozen=True, slots=True)
class StoredRow:
    """The newest row of an entity.

    Attributes:
        values: of the kept columns, by name; times in microseconds.
        event_time: in microseconds since 1970; None in static groups.
        published_at: in microseconds since 1970.
    """

    values: dict[str, Any]
    event_time: int | None
    published_at: int


def stored_rows(reader: Reader, table: OnlineTable, keys: Sequence[Sequence[Any]]) -> list[StoredRow | None]:
    """The rows of some entities, each given by the values of its key; None where there is none."""
    codec, names = KeyCodec(table.keys), [column.name for column in table.columns]
    encoded = [codec.encode(key) for key in keys]
    found = iter(reader.get_many(table.rows, [key for key in encoded if key is not None]))
    data = [next(found) if key is not None else None for key in encoded]
    readers = {layout.mark: RowReader(layout, names) for layout in table.layouts}
    rows: list[StoredRow | None] = []
    for row in data:
        if row is None:
            rows.append(None)
            continue
        event, values = readers[row[:4]].read(row)
        rows.append(StoredRow(dict(zip(names, values, strict=True)), None if event == NO_TIME else event, times(row)[1]))
    return rows


def status_of(event_time: int | None, at: int, ttl: int | None) -> Status:
    """Whether a row of some event time counts at a time: it became known by then, and is not older than its ttl."""
    if event_time is None:
        return "found"
    if event_time > at:
        return "future"
    return "expired" if ttl is not None and event_time < at - ttl else "found"
