"""Many keys and rows as bytes at once, from Arrow columns: the same bytes as one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.online_store.rows import HEADER, Layout
from fti_assets.vocabulary import Column, ColumnType

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.large_string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
_FITTING: dict[ColumnType, tuple[Callable[[pa.DataType], bool], ...]] = {
    "float": (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal),
    "int": (pa.types.is_integer,),
    "bool": (pa.types.is_boolean,),
    "string": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "timestamp": (pa.types.is_timestamp,),
    "date": (pa.types.is_date32,),
}
Integers = np.ndarray[Any, np.dtype[np.int64]]
_SIGN = np.uint64(1 << 63)
_AT_ONCE = 4096
"""Rows that are encoded at once: what is written column by column stays in the processor's cache."""


def fits(kind: ColumnType, found: pa.DataType) -> bool:
    """Whether values of an Arrow type are those of a column in another notation."""
    if pa.types.is_dictionary(found):
        return fits(kind, found.value_type)
    return pa.types.is_null(found) or any(is_it(found) for is_it in _FITTING[kind])


def encoded_keys(columns: Sequence[Column], arrays: Sequence[pa.Array]) -> pa.Array:
    """The keys of rows, as `KeyCodec.encode` makes them; no value is null.

    Args:
        columns: of the key, in its order.
        arrays: their values, in the types of `ARROW_TYPES`.
    """
    parts = [_encoded(column.type, array) for column, array in zip(columns, arrays, strict=True)]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))


def _encoded(kind: ColumnType, array: pa.Array) -> pa.Array:
    if kind == "string":
        text = array.cast(pa.large_binary())
        if pc.any(pc.match_substring(text, b"\x00")).as_py():
            text = pc.replace_substring(text, b"\x00", b"\x00\xff")
        end = pa.scalar(b"\x00\x00", pa.large_binary())
        return pc.binary_join_element_wise(text, end, pa.scalar(b"", pa.large_binary()))
    if kind == "bool":
        return _fixed(np.asarray(array, dtype=np.uint8))
    return _fixed(_ordered(kind, array).astype(">u8"))


def _ordered(kind: ColumnType, array: pa.Array) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Whole numbers in the order of the values."""
    if kind != "float":
        return integers(array).view(np.uint64) ^ _SIGN
    bits = (np.asarray(array, dtype=np.float64) + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0: both are the same key
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def integers(array: pa.Array) -> Integers:
    """Whole numbers: of days or microseconds since 1970, for dates and times. Nulls are 0."""
    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    whole = array.cast(pa.int64())
    return np.asarray(whole.fill_null(0) if whole.null_count else whole)


def _fixed(values: np.ndarray[Any, Any]) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(values.itemsize), len(values), [None, buffer]).cast(pa.large_binary())


def newest_in_order(keys: pa.Array, event_times: Integers, published_at: Integers) -> Integers:
    """Positions of the newest row of each key, in the order of the keys.

    Of two rows of a key the one with the later event time is newer, of equal ones the one that was published later; of rows that
    are equal in both the last.
    """
    words = _key_words(keys)
    order = _sorted(words)
    if len(order) and _follows_itself(words, order).any():
        order = np.lexsort((published_at, event_times, *words[::-1]))
        order = order[~np.append(_follows_itself(words, order), False)]
    return order


def _key_words(keys: pa.Array) -> list[np.ndarray[Any, np.dtype[np.uint64]]]:
    """Keys as numbers of 8 bytes, the first to count most. Shorter keys are filled up: none is the beginning of another."""
    offsets = _offsets(keys)
    lengths = np.diff(offsets)
    width = int(lengths.max(initial=1))
    data = np.frombuffer(keys.buffers()[2], np.uint8) if len(keys) else np.empty(0, np.uint8)
    padded = np.zeros((len(keys), -(-width // 8) * 8), np.uint8)
    if np.all(lengths == width):
        padded[:, :width] = data[offsets[0] : offsets[-1]].reshape(-1, width)
    else:
        for n in range(width):
            there = lengths > n
            padded[there, n] = data[offsets[:-1][there] + n]
    return [np.ascontiguousarray(word).astype(np.uint64) for word in padded.view(">u8").T]


def _sorted(words: Sequence[np.ndarray[Any, np.dtype[np.uint64]]]) -> Integers:
    differing = [word for word in words if len(word) and np.any(word != word[0])] or list(words[:1])
    if len(differing) > 1:
        return np.lexsort(differing[::-1])
    (word,) = differing
    return np.arange(len(word)) if np.all(word[:-1] <= word[1:]) else np.argsort(word, kind="stable")


def _follows_itself(words: Sequence[np.ndarray[Any, np.dtype[np.uint64]]], order: Integers) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether the key behind each of the rows in some order, but for the last, is the same."""
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for word in words:
        ordered = word[order]
        same &= ordered[1:] == ordered[:-1]
    return same


def as_bytes(array: pa.Array) -> list[bytes]:
    """The values of a binary array; quicker than `to_pylist`."""
    offsets, data = _offsets(array), array.buffers()[2]
    whole = data.to_pybytes() if data is not None else b""
    return [whole[start:end] for start, end in pairwise(offsets.tolist())]


def _offsets(array: pa.Array) -> Integers:
    """Where each value of a large binary array begins, and where the last one ends."""
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]


def encoded_rows(
    layout: Layout, arrays: Sequence[pa.Array], event_times: Integers, published_at: Integers
) -> Iterator[list[bytes]]:
    """Rows as `Layout.encode` makes them, some thousands at a time.

    Args:
        layout: of the rows.
        arrays: a value of each column for each row, in the types of `ARROW_TYPES`.
        event_times: in microseconds, `NO_TIME` where there are none.
        published_at: publication times in microseconds.
    """
    for start in range(0, len(event_times), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield _encoded_rows(layout, [array.slice(start, _AT_ONCE) for array in arrays], event_times[part], published_at[part])


def _encoded_rows(layout: Layout, arrays: Sequence[pa.Array], event_times: Integers, published_at: Integers) -> list[bytes]:
    count = len(event_times)
    fixed = np.zeros((count, layout.width), np.uint8)
    fixed[:, :4] = np.frombuffer(layout.mark, np.uint8)
    words = fixed.view("<i8")
    words[:, 1], words[:, 2] = event_times, published_at
    slots = words[:, (HEADER.size + layout.null_bytes) // 8 :]
    texts: list[list[bytes]] = []
    ends = np.full(count, layout.width, np.int64)
    for n, (column, array) in enumerate(zip(layout.columns, arrays, strict=True)):
        if array.null_count:
            fixed[:, HEADER.size + n // 8] |= np.asarray(array.is_null()).astype(np.uint8) << np.uint8(n % 8)
        if column.type == "string":
            text = pc.fill_null(array.cast(pa.large_binary()), b"")
            lengths = np.asarray(pc.binary_length(text))
            slots[:, n] = np.where(np.asarray(array.is_null()), 0, ends | lengths << 32)
            texts.append(as_bytes(text))
            ends += lengths
        else:
            slots[:, n] = _words(column.type, array)
    return _with_texts(fixed.tobytes(), layout.width, count, texts)


def _words(kind: ColumnType, array: pa.Array) -> Integers:
    if kind == "float":
        return np.asarray(pc.fill_null(array, 0.0) if array.null_count else array).view(np.int64)
    if kind == "bool":
        return np.asarray(pc.fill_null(array, False)).astype(np.int64)
    return integers(array)


def _with_texts(whole: bytes, width: int, count: int, texts: Sequence[list[bytes]]) -> list[bytes]:
    rows = [whole[start : start + width] for start in range(0, count * width, width)]
    return [b"".join(parts) for parts in zip(rows, *texts, strict=True)] if texts else rows
