"""Keys as small numbers: the entities of a spine are numbered, and the keys of other rows are looked up among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import polars as pl
import pyarrow as pa

from fti_assets.feature_store.point_in_time.latest_match import Codes, Integers

_CODE = "__code"
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: the golden ratio as a fraction of 2**64


@dataclass(frozen=True, slots=True)
class KeyCodes:
    """The different keys of a spine, numbered from 0. Keys with a null have no number.

    Attributes:
        numbered: one row for each key, with its number.
        slots: where keys are one whole number each, a table of them with open addressing: `(keys, numbers)`.
    """

    numbered: pl.DataFrame
    slots: tuple[Integers, Codes] | None = None

    @staticmethod
    def of(columns: Sequence[pa.Array]) -> tuple[KeyCodes, Codes]:
        """The numbering of the keys in some columns, and the number of each row, -1 where a key is null."""
        keys = pl.DataFrame({f"k{n}": pl.from_arrow(column) for n, column in enumerate(columns)})
        if len(columns) == 1 and pa.types.is_int64(columns[0].type):
            return _of_integers(keys["k0"])
        numbered = keys.drop_nulls().unique(maintain_order=True).with_row_index(_CODE).cast({_CODE: pl.Int32})
        codes = KeyCodes(numbered)
        return codes, codes.encode(keys)

    def __len__(self) -> int:
        return len(self.numbered)

    def encode(self, keys: pl.DataFrame) -> Codes:
        """The number of each key; -1 where it is null or not among the spine's. `keys` has the columns `k0`, `k1`, ..."""
        if self.slots is not None and keys["k0"].null_count() == 0:
            codes: Codes = _looked_up(keys["k0"].rechunk().to_numpy(), *self.slots)
            return codes
        found = keys.join(self.numbered, on=keys.columns, how="left", maintain_order="left", nulls_equal=False)
        return found[_CODE].fill_null(-1).rechunk().to_numpy()


def _of_integers(keys: pl.Series) -> tuple[KeyCodes, Codes]:
    values, valid = keys.fill_null(0).rechunk().to_numpy(), keys.is_not_null().to_numpy()
    different, codes = _numbered(values, valid, *_slots(len(values)))
    slots = _slots(len(different))
    _numbered(different, np.ones(len(different), np.bool_), *slots)
    return KeyCodes(pl.DataFrame({_CODE: np.arange(len(different), dtype=np.int32), "k0": different}), slots), codes


def _slots(keys: int) -> tuple[Integers, Codes]:
    """An empty table for so many keys: a power of two, at least twice as many slots."""
    size = 1 << max(4, (2 * keys - 1).bit_length())
    return np.zeros(size, np.int64), np.full(size, -1, np.int32)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _shift(size: int) -> np.uint64:
    """What leaves of 64 bits those that number so many slots, a power of two: the highest, in which all bits of a key count."""
    bits = 0
    while (1 << bits) < size:
        bits += 1
    return np.uint64(64 - bits)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _numbered(
    values: Integers, valid: np.ndarray[Any, np.dtype[np.bool_]], keys: Integers, numbers: Codes
) -> tuple[Integers, Codes]:
    """The different values in the order in which they come, and the number of each value; the table is filled with them."""
    codes = np.full(len(values), -1, np.int32)
    different = np.empty(len(values), np.int64)
    mask, shift, count = len(keys) - 1, _shift(len(keys)), 0
    for n in range(len(values)):
        if not valid[n]:
            continue
        value = values[n]
        slot = np.int64((np.uint64(value) * _SPREAD) >> shift)
        while numbers[slot] >= 0 and keys[slot] != value:
            slot = (slot + 1) & mask
        if numbers[slot] < 0:
            keys[slot], numbers[slot], different[count] = value, count, value
            count += 1
        codes[n] = numbers[slot]
    return different[:count].copy(), codes


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _looked_up(values: Integers, keys: Integers, numbers: Codes) -> Codes:
    codes = np.empty(len(values), np.int32)
    mask, shift = len(keys) - 1, _shift(len(keys))
    for n in range(len(values)):
        value = values[n]
        slot = np.int64((np.uint64(value) * _SPREAD) >> shift)
        while numbers[slot] >= 0 and keys[slot] != value:
            slot = (slot + 1) & mask
        codes[n] = numbers[slot]
    return codes
