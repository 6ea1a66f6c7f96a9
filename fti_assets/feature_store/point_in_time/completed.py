"""Completed spines: the rows of a spine with the features that were joined to them, in the form that the reader wants."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from fti_assets.errors import DefinitionError
from fti_assets.feature_store.point_in_time.on_demand import OnDemandColumns
from fti_assets.feature_store.point_in_time.spine import Spine

_SLICE = 1 << 17
"""Rows that are written at once, a row group of the file."""

Compression = Literal["none", "snappy", "lz4", "zstd"]


@dataclass(frozen=True, slots=True)
class Joined:
    """The values of one selection: for each row of the spine the position of one of `rows`, of which the last is all null."""

    rows: pl.DataFrame
    positions: np.ndarray[Any, np.dtype[np.int64]]

    @staticmethod
    def of(rows: pl.DataFrame, positions: np.ndarray[Any, np.dtype[np.int64]]) -> Joined:
        """Takes -1 among the positions as no row."""
        return Joined(pl.concat([rows, rows.clear(1)]).rechunk(), np.where(positions < 0, len(rows), positions))

    def values(self, start: int, stop: int) -> pl.DataFrame:
        """The values of some rows of the spine, one row for each."""
        return self.rows[pl.Series(self.positions[start:stop].astype(np.uint32))]


Piece = tuple[Spine, Sequence[Joined]]


@dataclass(frozen=True, slots=True)
class Completed:
    """A spine and the features joined to its rows; computed when it is asked for, anew each time.

    As many rows as the spine has, in its order: its own columns untouched, then the features in the order asked for.

    Attributes:
        names: the added columns, in order.
        pieces: gives the spine piece by piece, each with its joined values.
        computed: what is computed of the spine's columns and the joined values.
    """

    spine: Spine
    names: tuple[str, ...]
    pieces: Callable[[], Iterator[Piece]]
    computed: OnDemandColumns | None = None

    def to_arrow(self) -> pa.Table:
        """A pyarrow table."""
        pieces = self.pieces()
        return pa.concat_tables([self._with_features(own.arrow(), joined, 0, own.rows) for own, joined in pieces])

    def to_polars(self) -> pl.DataFrame:
        """A polars frame."""
        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_pandas(self) -> Any:
        """A pandas frame; one that was given as the spine keeps its index and its own columns as they are.

        Whole numbers with nulls among them become floats, as pandas has it.
        """
        if not self.spine.is_pandas:
            return self.to_arrow().to_pandas(split_blocks=True, self_destruct=True)
        if not self.names:
            return self.spine.source
        import pandas as pd

        features = pa.concat_tables([self._features(spine, joined, 0, spine.rows) for spine, joined in self.pieces()])
        frame = features.to_pandas(split_blocks=True, self_destruct=True).set_index(self.spine.source.index)
        return pd.concat([self.spine.source, frame], axis=1)

    def reader(self) -> pa.RecordBatchReader:
        """Record batches of pyarrow, of which one at a time is held."""
        tables = self._slices()
        first = next(tables)
        batches = (batch for table in _chain(first, tables) for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(first.schema, batches)

    def to_parquet(self, path: Path | str, *, compression: Compression = "snappy") -> int:
        """Writes a Parquet file without holding all rows, and returns their number; the file is there when it is complete.

        Raises:
            DefinitionError: the folder does not exist.
        """
        target = Path(path)
        if not target.parent.is_dir():
            raise DefinitionError(f"There is no folder '{target.parent}' for the result.", next_step="Make it first.")
        handle, work = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        os.close(handle)
        try:
            rows = self._write(Path(work), compression)
            Path(work).chmod(0o644)  # a temporary file is its owner's alone
            Path(work).replace(target)
        finally:
            Path(work).unlink(missing_ok=True)
        return rows

    def _write(self, path: Path, compression: Compression) -> int:
        tables = self._slices()
        first = next(tables)
        words = [field.name for field in first.schema if _is_text(field.type)]
        rows = 0
        with (
            parquet.ParquetWriter(
                path, first.schema, compression=compression, use_dictionary=words, write_batch_size=1 << 16
            ) as writer,
            ThreadPoolExecutor(1) as ahead,
        ):
            table: pa.Table | None = first
            while table is not None:
                coming = ahead.submit(next, tables, None)  # gathered while this one is written
                writer.write_table(table)
                rows += table.num_rows
                table = coming.result()
        return rows

    def _slices(self) -> Iterator[pa.Table]:
        for spine, joined in self.pieces():
            own = spine.arrow()
            for start in range(0, max(spine.rows, 1), _SLICE):
                stop = min(start + _SLICE, spine.rows)
                yield self._with_features(own.slice(start, stop - start), joined, start, stop)

    def _with_features(self, own: pa.Table, joined: Sequence[Joined], start: int, stop: int) -> pa.Table:
        features = self._features(Spine(self.spine.columns, own), joined, start, stop)
        return pa.table([*own.columns, *features.columns], schema=pa.schema([*own.schema, *features.schema], own.schema.metadata))

    def _features(self, own: Spine, joined: Sequence[Joined], start: int, stop: int) -> pa.Table:
        """What is added to the rows of `own`, which are some of a piece."""
        table = _joined(joined, start, stop)
        return (self.computed.appended(own, table) if self.computed else table).select(self.names)


def _chain(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others


def _joined(joined: Sequence[Joined], start: int, stop: int) -> pa.Table:
    """The joined values of some rows of a piece."""
    if not joined:
        return pa.table({})
    frame = pl.concat([one.values(start, stop) for one in joined], how="horizontal")
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(pa.schema([field.with_type(_plain(field.type)) for field in table.schema]))


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if _is_text(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
