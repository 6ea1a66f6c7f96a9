"""Of which times the rows of a file are, as the catalogue knows it without the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake.stored_files import StoredFile
from fti_assets.vocabulary import Daily, Window


@dataclass(frozen=True, slots=True)
class Days:
    """A first and a last day of the calendar of a table, both inclusive."""

    first: date
    last: date
    timezone: str

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def window(self) -> Window:
        """From the first midnight to that after the last day."""
        return Daily(start=str(self.first), end=str(self.last + timedelta(days=1)), timezone=self.timezone).span()


@dataclass(frozen=True, slots=True)
class Times:
    """The earliest and latest time of the rows of a file.

    Attributes:
        column: that says which window a row belongs to.
        timezone: of the calendar of the table.
    """

    column: str
    first: datetime
    last: datetime
    timezone: str

    @property
    def days(self) -> Days:
        first, last = (value.astimezone(ZoneInfo(self.timezone)).date() for value in (self.first, self.last))
        return Days(first, last, self.timezone)


_RANGES = """
-- one row for each column of a file of rows, where the catalogue knows its range
SELECT h.schema_name || '.' || t.table_name, c.column_name, s.data_file_id,
    TRY_CAST(s.min_value AS TIMESTAMPTZ), TRY_CAST(s.max_value AS TIMESTAMPTZ)
FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
JOIN (SELECT DISTINCT table_id, column_id, column_name, column_type FROM __ducklake_metadata_lake.ducklake_column) AS c
    USING (table_id, column_id)
JOIN (SELECT DISTINCT table_id, schema_id, table_name FROM __ducklake_metadata_lake.ducklake_table) AS t USING (table_id)
JOIN (SELECT DISTINCT schema_id, schema_name FROM __ducklake_metadata_lake.ducklake_schema) AS h USING (schema_id)
WHERE c.column_type = 'timestamptz' AND s.min_value IS NOT NULL
"""


def times(connection: DuckDBPyConnection) -> Mapping[int, Times]:
    """The times of every file of rows whose table has days, by the number of the file."""
    said = _descriptions(connection)
    found = {}
    for table, column, file, first, last in connection.execute(_RANGES).fetchall():
        of = said.get(table.replace("superseded.", "features.", 1), {})  # which are described with the group that they were of
        if of.get("time") == column and of.get("timezone") and first is not None and last is not None:
            found[file] = Times(column, first, last, of["timezone"])
    return found


def days_of(connection: DuckDBPyConnection, file: StoredFile) -> Days | None:
    """The days of a file's rows, or of the rows that it deletes; None when its table has no days."""
    known = times(connection).get(file.id if file.deletes_from is None else file.deletes_from)
    return known.days if known else None


def _descriptions(connection: DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """What was published about each table, by `schema.name`."""
    query = "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
    return {name: json.loads(text) for name, text in connection.execute(query).fetchall() if text}
