"""Keys as small numbers: the entities of a spine are numbered, and the keys of other rows are looked up among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import polars as pl
import pyarrow as pa

Codes = np.ndarray[Any, np.dtype[np.int32]]
_CODE = "__code"
_WIDEST_RANGE = 1 << 26  # of a table by value, 256 MiB


@dataclass(frozen=True, slots=True)
class KeyCodes:
    """The different keys of a spine, numbered from 0. Keys with a null have no number.

    Attributes:
        numbered: one row for each key, with its number.
        table: number by value minus `lowest` where the key is one whole number within a narrow range.
    """

    numbered: pl.DataFrame
    table: Codes | None = None
    lowest: int = 0

    @staticmethod
    def of(columns: Sequence[pa.Array]) -> tuple[KeyCodes, Codes]:
        """The numbering of the keys in some columns, and the number of each row, -1 where a key is null."""
        keys = pl.DataFrame({f"k{n}": pl.from_arrow(column) for n, column in enumerate(columns)})
        numbered = keys.drop_nulls().unique(maintain_order=True).with_row_index(_CODE).cast({_CODE: pl.Int32})
        codes = KeyCodes(numbered)
        if len(columns) == 1 and pa.types.is_int64(columns[0].type) and len(numbered):
            codes = codes._with_table()
        return codes, codes.encode(keys)

    def __len__(self) -> int:
        return len(self.numbered)

    def _with_table(self) -> KeyCodes:
        values = self.numbered["k0"].to_numpy()
        lowest, span = int(values.min()), int(values.max()) - int(values.min()) + 1
        if span > _WIDEST_RANGE:
            return self
        table = np.full(span, -1, np.int32)
        table[values - lowest] = np.arange(len(values), dtype=np.int32)
        return KeyCodes(self.numbered, table, lowest)

    def encode(self, keys: pl.DataFrame) -> Codes:
        """The number of each key; -1 where it is null or not among the spine's. `keys` has the columns `k0`, `k1`, ..."""
        if self.table is not None and keys["k0"].null_count() == 0:
            codes: Codes = _looked_up(keys["k0"].rechunk().to_numpy(), self.table, self.lowest)
            return codes
        by = keys.columns
        found = keys.join(self.numbered, on=by, how="left", maintain_order="left", nulls_equal=False)
        return found[_CODE].fill_null(-1).rechunk().to_numpy()


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _looked_up(values: np.ndarray[Any, np.dtype[np.int64]], table: Codes, lowest: int) -> Codes:
    codes = np.empty(len(values), np.int32)
    span = len(table)
    for n in range(len(values)):
        place = values[n] - lowest
        codes[n] = table[place] if 0 <= place < span else -1
    return codes
