"""One row of an online table as bytes, made so that a row is read in one step.

format, 1 byte | 0 | version of the columns, 2 bytes | 0, 4 bytes
event time, 8 bytes | publication time, 8 bytes, both microseconds since 1970
which values are null, one bit each, in whole words of 8 bytes
one word of 8 bytes for each value: a number, or where a text begins and how long it is
texts, UTF-8
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fti_assets.online_store.keys import days, microseconds
from fti_assets.vocabulary import Column, ColumnType

NO_TIME = -(1 << 63)
"""In place of the event time of a row that has none."""
FORMAT = 1
HEADER = struct.Struct("<BxH4xqq")
_TIMES = struct.Struct("<8xqq")
CODES: dict[ColumnType, str] = {"float": "d", "int": "q", "timestamp": "q", "date": "q", "bool": "?7x", "string": "Q"}
UTF8 = ("utf-8", "surrogatepass")


def times(row: bytes) -> tuple[int, int]:
    """Event time and publication time of a row."""
    found: tuple[int, int] = _TIMES.unpack_from(row)
    return found


@dataclass(frozen=True, slots=True)
class Layout:
    """The values of a row, in their order.

    Attributes:
        version: of the columns, within their table; from 1.
        columns: what the values are of.
    """

    version: int
    columns: tuple[Column, ...]

    @property
    def mark(self) -> bytes:
        """How each row of this layout begins."""
        return HEADER.pack(FORMAT, self.version, 0, 0)[:4]

    @property
    def null_bytes(self) -> int:
        return -(-len(self.columns) // 64) * 8

    @property
    def width(self) -> int:
        """Bytes of a row without its texts."""
        return HEADER.size + self.null_bytes + 8 * len(self.columns)

    def encode(self, values: Sequence[Any], event_time: int | None, published_at: int) -> bytes:
        """One row: a value for each column, times in microseconds."""
        nulls, slots, texts, end = 0, [], [], self.width
        for n, (column, value) in enumerate(zip(self.columns, values, strict=True)):
            if value is None:
                nulls |= 1 << n
                slots.append(0)
            elif column.type == "string":
                text = value.encode(*UTF8)
                slots.append(end | len(text) << 32)
                texts.append(text)
                end += len(text)
            else:
                slots.append(to_slot(value) if (to_slot := _TO_SLOT.get(column.type)) else value)
        header = HEADER.pack(FORMAT, self.version, NO_TIME if event_time is None else event_time, published_at)
        body = struct.pack("<" + "".join(CODES[column.type] for column in self.columns), *slots)
        return b"".join([header, nulls.to_bytes(self.null_bytes, "little"), body, *texts])


_TO_SLOT: dict[ColumnType, Callable[[Any], int]] = {"timestamp": microseconds, "date": days}
