"""The Parquet files that the catalogue of the lake refers to, and those that wait to be removed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from fti_assets.vocabulary import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that some snapshot shows. It never changes once it is written.

    Attributes:
        id: its number; later files have larger ones.
        table: `schema.name`.
        path: below the lake's data path.
        rows: its rows; of a file of deletions, the number of rows that it deletes.
        begin: the first snapshot that shows it.
        end: the first that does not any more; None when the newest shows it.
        deletes_from: for a file of deletions, the number of the file whose rows it deletes.
    """

    id: int
    table: str
    path: str
    rows: int
    bytes: int
    begin: int
    end: int | None = None
    deletes_from: int | None = None

    @property
    def is_current(self) -> bool:
        return self.end is None

    def shown_by(self, numbers: Iterable[int]) -> list[int]:
        """Those of some snapshots that show it."""
        return [number for number in numbers if self.begin <= number and (self.end is None or number < self.end)]


@dataclass(frozen=True, slots=True)
class ReplacedFile:
    """A file that no snapshot shows any more. Somebody who began to read before may still read it.

    Attributes:
        since: when it was replaced.
    """

    path: str
    since: datetime


_PLACE = """
    -- one row for each table that any snapshot shows: its name, and its folder below the data path
    SELECT t.table_id, max_by(s.schema_name || '.' || t.table_name, t.begin_snapshot) AS name,
        any_value(CASE WHEN t.path_is_relative::BOOLEAN THEN
            CASE WHEN s.path_is_relative::BOOLEAN THEN s.path ELSE s.path END || t.path ELSE t.path END) AS folder
    FROM __ducklake_metadata_lake.ducklake_table AS t
    JOIN (SELECT DISTINCT schema_id, schema_name, path, path_is_relative FROM __ducklake_metadata_lake.ducklake_schema) AS s
        USING (schema_id)
    GROUP BY t.table_id
"""
_FILES = f"""
-- one row for each file that any snapshot shows
SELECT f.id, p.name, CASE WHEN f.relative::BOOLEAN THEN p.folder || f.path ELSE f.path END, f.rows, f.bytes, f.begin, f."end", f.of
FROM (
    SELECT data_file_id AS id, table_id, path, path_is_relative AS relative, record_count AS rows, file_size_bytes AS bytes,
        begin_snapshot AS begin, end_snapshot AS "end", NULL AS of
    FROM __ducklake_metadata_lake.ducklake_data_file {{where}}
    UNION ALL
    SELECT delete_file_id, table_id, path, path_is_relative, delete_count, file_size_bytes,
        begin_snapshot, end_snapshot, data_file_id
    FROM __ducklake_metadata_lake.ducklake_delete_file {{where}}
) AS f JOIN ({_PLACE}) AS p USING (table_id)
ORDER BY f.id
"""
_FIELDS = ("id", "table", "path", "rows", "bytes", "begin", "end", "deletes_from")


def stored_files(connection: DuckDBPyConnection, *, begin: int | None = None) -> list[StoredFile]:
    """Every file that any snapshot shows, oldest first; only those that the snapshot `begin` was the first to show, if given."""
    where = "" if begin is None else f"WHERE begin_snapshot = {int(begin)}"
    rows = connection.execute(_FILES.format(where=where)).fetchall()
    return [StoredFile(**dict(zip(_FIELDS, row, strict=True))) for row in rows]


_REPLACED = """
-- one row for each file that no snapshot shows any more and that was not removed yet
SELECT path, schedule_start::TIMESTAMPTZ FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion ORDER BY data_file_id
"""


def replaced_files(connection: DuckDBPyConnection) -> list[ReplacedFile]:
    """The files that wait to be removed."""
    return [ReplacedFile(*row) for row in connection.execute(_REPLACED).fetchall()]


_INLINED = """
-- one row for each table of the catalogue that keeps small inserts of a table of the lake
SELECT s.schema_name || '.' || t.table_name, i.table_name
FROM __ducklake_metadata_lake.ducklake_inlined_data_tables AS i
JOIN __ducklake_metadata_lake.ducklake_table AS t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
JOIN __ducklake_metadata_lake.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""


def inlined_rows(connection: DuckDBPyConnection) -> dict[str, int]:
    """How many rows of each table are in the catalogue itself and not in a file, of all snapshots; only of those that have some."""
    counts: dict[str, int] = {}
    for table, own in connection.execute(_INLINED).fetchall():
        row = connection.execute(f"SELECT count(*) FROM __ducklake_metadata_lake.{quoted(own)}").fetchone()
        assert row is not None
        counts[table] = counts.get(table, 0) + int(row[0])
    return {table: count for table, count in sorted(counts.items()) if count}
