"""Which days the rows of a file are of, as the catalogue knows it without the file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.stored_files import StoredFile
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


_TIMES = """
-- the first and last value of a column in one file
SELECT min_value::TIMESTAMPTZ, max_value::TIMESTAMPTZ
FROM __ducklake_metadata_lake.ducklake_file_column_stats AS s
JOIN __ducklake_metadata_lake.ducklake_column AS c USING (table_id, column_id)
WHERE s.data_file_id = $file AND c.column_name = $column AND min_value IS NOT NULL LIMIT 1
"""


def days_of(connection: DuckDBPyConnection, file: StoredFile) -> Days | None:
    """The days of a file's rows, or of the rows that it deletes; None when its table has no days."""
    said = _description(connection, file.table)
    time, zone = said.get("time"), said.get("timezone")
    if not time or not zone:
        return None
    of = file.id if file.deletes_from is None else file.deletes_from
    row = connection.execute(_TIMES, {"file": of, "column": time}).fetchone()
    if row is None:
        return None
    first, last = (value.astimezone(ZoneInfo(zone)).date() for value in row if isinstance(value, datetime))
    return Days(first, last, zone)


def _description(connection: DuckDBPyConnection, table: str) -> dict[str, str]:
    """What was published about a table; superseded rows are described with the group that they were of."""
    schema, name = table.split(".")
    named = {"schema": "features" if schema == "superseded" else schema, "name": name}
    row = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = $schema AND table_name = $name", named
    ).fetchone()
    said: dict[str, str] = json.loads(row[0]) if row and row[0] else {}
    return said
