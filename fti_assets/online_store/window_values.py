"""The values of one event as bytes: which are null, eight bytes for each column, and the texts behind them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fti_assets.online_store.keys import day, days, instant, microseconds
from fti_assets.vocabulary import Column

Stored = float | int | str | None
"""A value as it is kept: timestamps are microseconds and dates days since 1970, truths are 0 and 1."""

TO_STORED: Mapping[str, Callable[[Any], Stored]] = {
    "float": float,
    "int": int,
    "bool": int,
    "string": str,
    "timestamp": microseconds,
    "date": days,
}
FROM_STORED: Mapping[str, Callable[[Any], Any]] = {
    "bool": bool,
    "timestamp": instant,
    "date": day,
}
_SLOTS = {"float": "d", "string": "q"}


@dataclass(frozen=True, slots=True)
class EventCodec:
    """Reads and writes the values of some columns, in their order."""

    columns: tuple[Column, ...]
    _fixed: struct.Struct = field(init=False, repr=False)
    _texts: tuple[int, ...] = field(init=False, repr=False)
    _nulls: int = field(init=False, repr=False)
    _kinds: tuple[tuple[str, Callable[[Any], Stored]], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        slots = "".join(_SLOTS.get(column.type, "q") for column in self.columns)
        object.__setattr__(self, "_kinds", tuple((column.name, TO_STORED[column.type]) for column in self.columns))
        object.__setattr__(self, "_nulls", (len(self.columns) + 7) // 8)
        object.__setattr__(self, "_fixed", struct.Struct(f"<{self._nulls}s{slots}"))
        object.__setattr__(self, "_texts", tuple(n for n, column in enumerate(self.columns) if column.type == "string"))

    def stored(self, row: Mapping[str, Any]) -> tuple[Stored, ...]:
        """The values of a row by name, as they are kept; a column that the row lacks is null."""
        get = row.get
        return tuple([None if (value := get(name)) is None else kind(value) for name, kind in self._kinds])

    def encode(self, values: Sequence[Stored]) -> bytes:
        """Equal values give equal bytes."""
        slots, nulls, texts = list(values), 0, b""
        for n, value in enumerate(values):
            if value is None:
                nulls |= 1 << n
                slots[n] = 0
        for n in self._texts:
            value = values[n]
            if value is not None:
                text = str(value).encode()
                texts += text
                slots[n] = len(text)
        return self._fixed.pack(nulls.to_bytes(self._nulls, "little"), *slots) + texts

    def decode(self, data: bytes) -> tuple[Stored, ...]:
        found: list[Stored] = list(self._fixed.unpack_from(data))
        nulls, values, place = int.from_bytes(data[: self._nulls], "little"), found[1:], self._fixed.size
        for n in self._texts:
            length = values[n]
            assert isinstance(length, int)
            values[n] = data[place : place + length].decode()
            place += length
        if nulls:
            values = [None if nulls >> n & 1 else value for n, value in enumerate(values)]
        return tuple(values)

    def column(self, place: int, events: Iterable[bytes]) -> list[Stored]:
        """The values of one column of many events."""
        if place in self._texts:
            return [self.decode(data)[place] for data in events]
        slot, start = struct.Struct(f"<{_SLOTS.get(self.columns[place].type, 'q')}"), self._nulls + 8 * place
        unpack, byte, bit = slot.unpack_from, place // 8, 1 << place % 8
        return [None if data[byte] & bit else unpack(data, start)[0] for data in events]
