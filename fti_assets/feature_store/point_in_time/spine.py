"""Spines: the rows to be completed, from pandas, polars, pyarrow, a DuckDB relation or a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyRelation
from pyarrow import parquet

from fti_assets.errors import DefinitionError, NotFoundError, not_found
from fti_assets.vocabulary import ColumnType

_ARROW: dict[ColumnType, pa.DataType] = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.large_string(),
    "date": pa.date32(),
}
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}
NO_TIME = np.iinfo(np.int64).min
"""Stands for a null among instants."""


@dataclass(frozen=True, slots=True)
class Spine:
    """Rows to be completed. Columns are looked at only when they are asked for.

    Attributes:
        columns: their names, in order.
        source: a pandas frame, a pyarrow table, or the path of a Parquet file.
    """

    columns: tuple[str, ...]
    source: Any

    @staticmethod
    def of(rows: Any) -> Spine:
        """A spine from a pandas, polars or pyarrow table, a DuckDB relation, or the path of a Parquet file.

        Raises:
            DefinitionError: it is none of these, or two columns have the same name.
            NotFoundError: there is no such file.
        """
        source = _source(rows)
        names = source.schema_arrow.names if isinstance(source, parquet.ParquetFile) else [*_names(source)]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(f"The spine has these columns twice: {', '.join(twice)}.", next_step="Rename one of each.")
        return Spine(tuple(map(str, names)), source)

    @property
    def is_pandas(self) -> bool:
        return hasattr(self.source, "iloc")

    @property
    def rows(self) -> int:
        return int(self.source.metadata.num_rows if isinstance(self.source, parquet.ParquetFile) else len(self.source))

    def head(self) -> Spine:
        """The spine for checks of its types: that of a Parquet file without rows."""
        if isinstance(self.source, parquet.ParquetFile):
            return Spine(self.columns, self.source.schema_arrow.empty_table())
        return self

    def chunks(self, size: int) -> Iterator[Spine]:
        """The spine in pieces of at most `size` rows, in order; a small one is its own only piece."""
        if self.rows <= size:
            yield Spine(self.columns, self.arrow()) if isinstance(self.source, parquet.ParquetFile) else self
        elif isinstance(self.source, parquet.ParquetFile):
            for table in _tables(self.source, size):
                yield Spine(self.columns, table)
        else:
            whole = self.arrow()  # one conversion of pandas' columns, so that each has one type in all pieces
            for start in range(0, self.rows, size):
                yield Spine(self.columns, whole.slice(start, size))

    def arrow(self) -> pa.Table:
        """All columns as they are."""
        if isinstance(self.source, parquet.ParquetFile):
            return self.source.read()
        return _from_pandas(self.source) if self.is_pandas else self.source

    def instants(self, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """A time column in microseconds since 1970 (UTC); naive times are UTC, a null is `NO_TIME`.

        Raises:
            NotFoundError: there is no such column.
            DefinitionError: it is not a timestamp.
        """
        values = self._column(name)
        if pa.types.is_null(values.type):
            return np.full(len(values), NO_TIME)
        if not pa.types.is_timestamp(values.type):
            raise DefinitionError(
                f"The spine's time '{name}' is of type {values.type}; it must be a timestamp.",
                next_step="Convert it; times without a zone are taken as UTC.",
            )
        return _microseconds(values)

    def key(self, name: str, kind: ColumnType, group: str) -> pa.Array:
        """A key column in the type of the group's key: see `typed`."""
        return self.typed(name, kind, f"'{group}' is joined by it")

    def typed(self, name: str, kind: ColumnType, use: str) -> pa.Array:
        """A column in the type that it is used as; texts as large strings, times in microseconds.

        Args:
            name: of the column.
            kind: the type.
            use: what it is used for, for the error.

        Raises:
            NotFoundError: there is no such column.
            DefinitionError: its values are of another type.
        """
        values = self._column(name)
        if kind == "timestamp" and not pa.types.is_null(values.type):
            instants = self.instants(name)
            return pa.array(instants, pa.int64(), mask=instants == NO_TIME)
        wanted = pa.int64() if kind == "timestamp" else _ARROW[kind]
        if not _comparable(values.type, kind):
            raise _wrong_type(name, values.type, kind, use)
        try:
            return values.cast(wanted)
        except pa.ArrowInvalid as error:
            raise _wrong_type(name, values.type, kind, use) from error

    def _column(self, name: str) -> pa.Array:
        if name not in self.columns:
            raise not_found("Column", name, self.columns, where="the spine")
        if isinstance(self.source, parquet.ParquetFile):
            values = self.source.read(columns=[name]).column(name)
        elif self.is_pandas:
            values = _from_pandas(self.source[[name]]).column(0)
        else:
            values = self.source.column(name)
        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _tables(file: parquet.ParquetFile, size: int) -> Iterator[pa.Table]:
    """The rows of a file in tables of at most `size` rows, of whole row groups where these are smaller: all threads read them."""
    rows = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    if max(rows) > size:
        yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(batch_size=size))
        return
    together: list[int] = []
    for number, count in enumerate(rows):
        if together and sum(rows[n] for n in together) + count > size:
            yield file.read_row_groups(together)
            together = []
        together.append(number)
    yield file.read_row_groups(together)


def _source(rows: Any) -> Any:
    if isinstance(rows, DuckDBPyRelation):
        return rows.to_arrow_table()
    if isinstance(rows, str | Path):
        path = Path(rows)
        if not path.is_file():
            raise NotFoundError(f"There is no spine '{path}'.", next_step="Give the path of a Parquet file.")
        return parquet.ParquetFile(path)
    if hasattr(rows, "iloc"):
        return rows
    if hasattr(rows, "__arrow_c_stream__"):  # pyarrow, polars and others
        return pa.table(rows)
    raise DefinitionError(
        f"A spine of type '{type(rows).__name__}' cannot be read.",
        next_step="Give a pandas, polars or pyarrow table, a DuckDB relation, or the path of a Parquet file.",
    )


def _names(source: Any) -> list[str]:
    return list(source.columns) if hasattr(source, "iloc") else list(source.column_names)


def _from_pandas(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        step = "Give each column values of one type."
        raise DefinitionError(f"The spine cannot be converted: {error}.", next_step=step) from error


def _microseconds(values: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    null = values.is_null().to_numpy(zero_copy_only=False)
    counts = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    unit = values.type.unit
    whole = counts // 1_000 if unit == "ns" else counts * _MICROSECONDS[unit]
    return np.where(null, NO_TIME, whole) if null.any() else whole


def _comparable(found: pa.DataType, kind: ColumnType) -> bool:
    """Whether values of an Arrow type can be those of a key. Whole numbers may come as floats: pandas makes them so for a null."""
    types = pa.types
    fits = {
        "float": types.is_floating(found) or types.is_integer(found) or types.is_decimal(found),
        "int": types.is_integer(found) or types.is_floating(found),
        "bool": types.is_boolean(found),
        "string": types.is_string(found) or types.is_large_string(found) or types.is_string_view(found),
        "date": types.is_date(found),
        "timestamp": False,
    }
    return bool(types.is_null(found) or fits[kind])


def _wrong_type(name: str, found: pa.DataType, kind: ColumnType, use: str) -> DefinitionError:
    return DefinitionError(
        f"The spine's column '{name}' is of type {found}, but {use} as {kind}.",
        next_step="Convert the column of the spine.",
    )
