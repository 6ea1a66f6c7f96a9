"""Entities to ask about: the rows of the spine that were known last, as the online store has them."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from fti_assets.errors import NotFoundError
from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.row_reading import RowReader
from fti_assets.online_store.rows import NO_TIME, times
from fti_assets.serving.errors import RequestError
from fti_assets.serving.request_reading import instant

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore, OnlineTable
    from fti_assets.online_store.backend import Reader
    from fti_assets.vocabulary import FeatureView

MOST = 200
KEPT_SECONDS = 30.0
"""For which they are shown again: to look for them is to look at every row."""
_END = b"\xff" * 64


@dataclass(slots=True)
class Examples:
    """Looks for the rows of one view.

    Args:
        view: whose spine is looked at.
        store: that has it.
    """

    view: FeatureView
    store: OnlineStore
    _found: tuple[float, list[dict[str, Any]]] = (-KEPT_SECONDS, [])
    _lock: Lock = field(default_factory=Lock)

    def newest(self, now: int, limit: int) -> list[dict[str, Any]]:
        """Rows of the spine that were known at a time, those that became known last first.

        Returns:
            For each row its `row`, as a request gives it, `columns`, what is known of it besides, and `known_at`.

        Raises:
            RequestError: the spine is not online.
        """
        with self._lock:
            looked_at, found = self._found
            if time.monotonic() - looked_at > KEPT_SECONDS:
                found = self._look(now)
                self._found = (time.monotonic(), found)
        return found[:limit]

    def _look(self, now: int) -> list[dict[str, Any]]:
        try:
            table = self.store.table(self.view.spine)
        except NotFoundError as error:
            raise RequestError(404, str(error), next_step="Type in the keys of an entity.") from error
        with self.store.reading() as reader:
            return [_shown(table, key, row) for key, row in _newest(reader, table, now)]


def _newest(reader: Reader, table: OnlineTable, now: int) -> list[tuple[bytes, bytes]]:
    known = ((times(row)[0], bytes(key), bytes(row)) for key, row in reader.scan(table.rows, b"", _END))
    newest = heapq.nlargest(MOST, (one for one in known if one[0] <= now))
    return [(key, row) for _, key, row in newest]


def _shown(table: OnlineTable, key: bytes, row: bytes) -> dict[str, Any]:
    keys = zip(table.keys, KeyCodec(table.keys).decode(key), strict=True)
    layout = next(one for one in table.layouts if row.startswith(one.mark))
    known_at, values = RowReader(layout, [column.name for column in layout.columns]).read(row)
    columns = zip(layout.columns, values, strict=True)
    return {
        "row": {column.name: _value(column.type, value) for column, value in keys},
        "columns": {column.name: _value(column.type, value) for column, value in columns},
        "known_at": None if known_at == NO_TIME else instant(known_at),
    }


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    return instant(value) if kind == "timestamp" and not isinstance(value, datetime) else value
