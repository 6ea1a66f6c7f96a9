"""Reading columns of a table twice in the same order: keys and times of all rows first, then the values of a few.

Files of the lake are read directly where that is the same as asking DuckDB, which is several times slower at handing rows over.
Rows that stand in the catalogue, files with deleted rows, and files elsewhere than on this machine are read through DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError
from fti_assets.feature_store.lake.lake import cursor, literal
from fti_assets.feature_store.publishing.schema import SQL_TYPES
from fti_assets.vocabulary import ColumnType, quoted

_BATCH_BYTES = 32 << 20
"""What a batch takes at most, about: what is read into memory that was used before is read twice as quickly."""
_POLARS: dict[ColumnType, pl.DataType] = {
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "string": pl.String(),
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a table, always in the same order.

    Attributes:
        file: as the lake names it.
        path: where it can be read directly; None where DuckDB has to.
        first: its earliest time, microseconds; None where that is not known.
        last: its latest time.
    """

    file: str
    path: str | None
    rows: int
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class TableScan:
    """The rows of a table of the lake at the connection's snapshot, in an order that stays the same.

    Attributes:
        name: `schema.name` in the lake.
        types: type of each column that may be asked for.
    """

    connection: DuckDBPyConnection
    schema: str
    name: str
    types: dict[str, ColumnType]
    parts: tuple[Part, ...]

    @staticmethod
    def of(
        connection: DuckDBPyConnection,
        table: tuple[str, str],
        types: dict[str, ColumnType],
        time: str | None,
        reach: tuple[int | None, int | None] = (None, None),
    ) -> TableScan:
        """The parts of a table that may hold rows with a time in `reach` (microseconds, both ends inclusive), earliest first."""
        schema, name = table
        named = {"schema": literal(schema), "name": literal(name), "time": literal(time or "")}
        known = {_base(path): found for path, *found in connection.execute(_FILES.format(**named)).fetchall()}
        counts = _counts(connection, table, named, {file: rows for file, (rows, *_) in known.items()})
        parts = [_part(file, rows, known.get(_base(file))) for file, rows in counts.items()]
        reached = [part for part in parts if _reaches(part, *reach)]
        reached.sort(key=lambda part: (part.first if part.first is not None else np.iinfo(np.int64).min, part.file))
        return TableScan(connection, schema, name, types, tuple(reached))

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
        """The rows in batches, each with the position of its first one. Times come as microseconds."""
        position = 0
        for frame in self._frames(self.parts, columns):
            yield position, frame.with_columns(pl.col(pl.Datetime).to_physical())
            position += len(frame)

    def take(self, positions: np.ndarray[Any, np.dtype[np.int64]], columns: Sequence[str]) -> pl.DataFrame:
        """The rows at some positions, which increase. Parts without any of them are not read."""
        rows = np.array([part.rows for part in self.parts], np.int64)
        owner = np.searchsorted(np.cumsum(rows), positions, side="right")
        reached, own = np.unique(owner, return_inverse=True)
        before = np.cumsum(rows) - rows
        wanted = positions - before[owner] + (np.cumsum(rows[reached]) - rows[reached])[own]
        found, start = [pl.DataFrame(schema=self._schema(columns))], 0
        for frame in self._frames([self.parts[n] for n in reached], columns):
            first, last = np.searchsorted(wanted, (start, start + len(frame)))
            if last > first:
                found.append(frame[wanted[first:last] - start])
            start += len(frame)
        return pl.concat(found)

    def _frames(self, parts: Sequence[Part], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The rows of some parts, in order, a batch at a time."""
        size = max(1 << 16, _BATCH_BYTES // (8 * len(columns)))
        for direct, group in groupby(parts, lambda part: part.path is not None):
            together = list(group)
            rows = sum(part.rows for part in together)
            for frame in (self._directly if direct else self._through_duckdb)(together, columns, size):
                rows -= len(frame)
                yield frame
            if rows:  # positions would be those of other rows
                raise FtiError(
                    f"'{self.schema}.{self.name}' changed while it was read: {abs(rows):,} rows {'less' if rows > 0 else 'more'}.",
                    next_step="Read one state of the lake, with FeatureStore.reading(), or read again.",
                )

    def _directly(self, parts: Sequence[Part], columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        paths = [part.path for part in parts if part.path is not None]
        rows = pl.scan_parquet(paths, schema=self._schema(columns), missing_columns="insert", extra_columns="ignore", glob=False)
        return rows.select(columns).collect_batches(chunk_size=size, maintain_order=True)

    def _through_duckdb(self, parts: Sequence[Part], columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        files = ", ".join(literal(part.file) for part in parts)
        numbered = ", ".join(f"({literal(part.file)}, {n})" for n, part in enumerate(parts))
        chosen = ", ".join(f"t.{_column(name)}::{SQL_TYPES[self.types[name]]} AS {_column(name)}" for name in columns)
        of = f"{_sql(self.schema, self.name)} AS t JOIN (VALUES {numbered}) AS p(file, number) ON t.filename = p.file"
        with cursor(self.connection) as own:  # several tables are read at once
            rows = own.execute(f"SELECT {chosen} FROM {of} WHERE t.filename IN ({files}) ORDER BY p.number, t.rowid")
            for batch in rows.to_arrow_reader(size):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame.cast(self._schema(columns))

    def _schema(self, columns: Sequence[str]) -> pl.Schema:
        return pl.Schema({name: _POLARS[self.types[name]] for name in columns})


_FILES = """
-- one row for each data file of a table: its own count of rows and the range of the time column
SELECT f.path, f.record_count, epoch_us(TRY_CAST(s.min_value AS TIMESTAMPTZ)), epoch_us(TRY_CAST(s.max_value AS TIMESTAMPTZ))
FROM __ducklake_metadata_lake.ducklake_data_file AS f
JOIN __ducklake_metadata_lake.ducklake_table AS t USING (table_id)
JOIN __ducklake_metadata_lake.ducklake_schema AS h USING (schema_id)
LEFT JOIN __ducklake_metadata_lake.ducklake_column AS c
    ON c.table_id = t.table_id AND c.column_name = {time} AND c.parent_column IS NULL AND c.end_snapshot IS NULL
LEFT JOIN __ducklake_metadata_lake.ducklake_file_column_stats AS s ON s.data_file_id = f.data_file_id AND s.column_id = c.column_id
WHERE h.schema_name = {schema} AND t.table_name = {name}
"""


_LISTED = """
-- one row for each data file that the snapshot shows, and whether rows of it are deleted
SELECT data_file, delete_file IS NOT NULL FROM ducklake_list_files('lake', {name}, schema => {schema})
"""
_INLINED = """
-- one row for each table of the catalogue that may keep rows of the table
SELECT i.table_name FROM __ducklake_metadata_lake.ducklake_inlined_data_tables AS i
JOIN __ducklake_metadata_lake.ducklake_table AS t USING (table_id)
JOIN __ducklake_metadata_lake.ducklake_schema AS h USING (schema_id)
WHERE h.schema_name = {schema} AND t.table_name = {name}
"""


def _counts(
    connection: DuckDBPyConnection, table: tuple[str, str], named: dict[str, str], written: dict[str, int]
) -> dict[str, int]:
    """How many rows each file shows; of rows that stand in the catalogue DuckLake says a name as well.

    To count them file by file takes a scan. It is spared where nothing stands in the catalogue and all files together show as many
    rows as were written: then no row of any is deleted, or hidden from the snapshot.
    """
    listed = connection.execute(_LISTED.format(**named)).fetchall()
    files = {file: written[_base(file)] for file, has_deletes in listed if not has_deletes and _base(file) in written}
    everything = f"SELECT count(*) FROM {_sql(*table)}"
    if len(files) == len(listed) and not _has_inlined(connection, named):
        row = connection.execute(everything).fetchone()
        if row and row[0] == sum(files.values()):
            return files
    return dict(connection.execute(f"SELECT filename, count(*) FROM {_sql(*table)} GROUP BY filename").fetchall())


def _has_inlined(connection: DuckDBPyConnection, named: dict[str, str]) -> bool:
    for (own,) in connection.execute(_INLINED.format(**named)).fetchall():
        if connection.execute(f"SELECT 1 FROM __ducklake_metadata_lake.{quoted(own)} LIMIT 1").fetchone():
            return True
    return False


def _base(path: str) -> str:
    """The name of a file, which no other file of the lake has."""
    return path.rpartition("/")[2]


def _part(file: str, rows: int, known: Sequence[Any] | None) -> Part:
    if known is None:  # rows that stand in the catalogue
        return Part(file, None, rows)
    written, first, last = known
    # With fewer rows than were written, some are deleted or belong to another snapshot, and the file alone does not say which.
    return Part(file, file if rows == written and "://" not in file else None, rows, first, last)


def _reaches(part: Part, first: int | None, last: int | None) -> bool:
    too_early = first is not None and part.last is not None and part.last < first
    too_late = last is not None and part.first is not None and part.first > last
    return not too_early and not too_late


def _sql(schema: str, name: str) -> str:
    return f"lake.{quoted(schema)}.{quoted(name)}"


def _column(name: str) -> str:
    """A column of the promise, or one of the platform's own, which begin with an underscore."""
    return f'"_{quoted(name[1:])[1:-1]}"' if name.startswith("_") else quoted(name)
