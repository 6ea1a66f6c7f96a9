"""Entity keys as bytes: keys that differ are different bytes, and bytes are in the order of the keys.

Each value ends where it says, so that no key is the beginning of another one, and what follows a key is told from it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fti_assets.vocabulary import Column, ColumnType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_END = b"\x00\x00"
_NUL, _ESCAPED_NUL = b"\x00", b"\x00\xff"
_WORD = struct.Struct(">Q")
_FLOAT = struct.Struct(">d")

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a position; gives the value and the position behind it."""


def microseconds(instant: datetime | int) -> int:
    """An instant in microseconds since 1970 (UTC); a naive one is in UTC."""
    if isinstance(instant, int):
        return instant
    return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """The instant at so many microseconds since 1970, in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def days(day: date | int) -> int:
    """A day in days since 1970."""
    return day if isinstance(day, int) else day.toordinal() - _EPOCH_DAY


def day(days: int) -> date:
    """The day that is so many days after 1970-01-01."""
    return date.fromordinal(days + _EPOCH_DAY)


class KeyCodec:
    """Encodes the values of some columns, in their order, as one key."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._encoders = [_ENCODERS[column.type] for column in columns]
        self._decoders = [_DECODERS[column.type] for column in columns]
        self.encode: Callable[[Sequence[Any]], bytes | None] = self._encode
        if len(self._encoders) == 1:
            self.encode = self._encode_one

    def encode_many(self, columns: Sequence[Sequence[Any]]) -> list[bytes | None]:
        """The keys of some rows, given by columns."""
        try:
            parts: list[list[bytes | None]] = [
                [None if value is None else encoder(value) for value in column]
                for encoder, column in zip(self._encoders, columns, strict=True)
            ]
        except struct.error:  # a number beyond 64 bits
            return [self.encode(values) for values in zip(*columns, strict=True)]
        if len(parts) == 1:
            return parts[0]
        return [None if None in row else b"".join(row) for row in zip(*parts, strict=True)]

    def _encode(self, values: Sequence[Any]) -> bytes | None:
        """The key of one value for each column.

        None where one of them is null, or a number beyond 64 bits: that is the key of nothing.
        """
        if None in values:
            return None
        try:
            return b"".join([encoder(value) for encoder, value in zip(self._encoders, values, strict=True)])
        except struct.error:
            return None

    def _encode_one(self, values: Sequence[Any]) -> bytes | None:
        (value,) = values
        try:
            return None if value is None else self._encoders[0](value)
        except struct.error:
            return None

    def decode(self, key: bytes) -> tuple[Any, ...]:
        """The values of a key: float, int, bool, str, date; timestamps in microseconds since 1970."""
        values, position = [], 0
        for decoder in self._decoders:
            value, position = decoder(key, position)
            values.append(value)
        return tuple(values)


def encoder(kind: ColumnType) -> Encoder:
    """How one value of that type is encoded; it is not null."""
    return _ENCODERS[kind]


def _whole(value: int) -> bytes:
    return _WORD.pack(value + _SIGN)


def _timestamp(value: datetime | int) -> bytes:
    return _WORD.pack(microseconds(value) + _SIGN)


def _date(value: date | int) -> bytes:
    return _WORD.pack(days(value) + _SIGN)


def _string(value: str) -> bytes:
    text = value.encode("utf-8", "surrogatepass")
    return (text.replace(_NUL, _ESCAPED_NUL) if _NUL in text else text) + _END


def _float(value: float) -> bytes:
    bits: int = _WORD.unpack(_FLOAT.pack(value + 0.0))[0]  # -0.0 + 0.0 is 0.0: both are the same key
    return _WORD.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def _bool(value: bool) -> bytes:
    return b"\x01" if value else b"\x00"


def _read_whole(key: bytes, position: int) -> tuple[int, int]:
    return _WORD.unpack_from(key, position)[0] - _SIGN, position + 8


def _read_date(key: bytes, position: int) -> tuple[date, int]:
    return day(_WORD.unpack_from(key, position)[0] - _SIGN), position + 8


def _read_float(key: bytes, position: int) -> tuple[float, int]:
    bits: int = _WORD.unpack_from(key, position)[0]
    return _FLOAT.unpack(_WORD.pack(bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))[0], position + 8


def _read_bool(key: bytes, position: int) -> tuple[bool, int]:
    return key[position] == 1, position + 1


def _read_string(key: bytes, position: int) -> tuple[str, int]:
    end = key.index(_NUL, position)
    while key[end + 1] != 0:  # an escaped one
        end = key.index(_NUL, end + 2)
    return key[position:end].replace(_ESCAPED_NUL, _NUL).decode("utf-8", "surrogatepass"), end + 2


_ENCODERS: dict[ColumnType, Encoder] = {
    "int": _whole,
    "string": _string,
    "timestamp": _timestamp,
    "date": _date,
    "bool": _bool,
    "float": _float,
}
_DECODERS: dict[ColumnType, Decoder] = {
    "int": _read_whole,
    "string": _read_string,
    "timestamp": _read_whole,
    "date": _read_date,
    "bool": _read_bool,
    "float": _read_float,
}
