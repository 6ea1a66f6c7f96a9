"""What the lake says of its tables: which there are, and how large."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.vocabulary import quoted

PLATFORM_SCHEMAS = ("catalog", "superseded")
"""Schemas of the platform's own tables; the others are the users'."""


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What the lake says of one of its tables."""

    schema: str
    name: str
    rows: int
    files: int
    bytes: int
    description: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


_TABLES = """
-- one row for each table of the lake
SELECT t.schema_name, t.table_name, i.file_count, i.file_size_bytes, t.comment
FROM duckdb_tables() AS t
LEFT JOIN (
    SELECT s.schema_name, i.*
    FROM ducklake_table_info('lake') AS i JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    WHERE s.end_snapshot IS NULL
) AS i ON i.schema_name = t.schema_name AND i.table_name = t.table_name
WHERE t.database_name = 'lake' AND t.schema_name NOT LIKE '\\_\\_%' ESCAPE '\\'
AND CASE WHEN $schema IS NULL THEN NOT list_contains($own, t.schema_name) ELSE t.schema_name = $schema END
ORDER BY t.schema_name, t.table_name
"""


def tables(connection: DuckDBPyConnection, schema: str | None = None) -> list[TableInfo]:
    """The tables of the lake but for the platform's own, or those of one schema, by name."""
    rows = connection.execute(_TABLES, {"schema": schema, "own": list(PLATFORM_SCHEMAS)}).fetchall()
    return [
        TableInfo(schema_name, name, _count(connection, schema_name, name), files or 0, size or 0, json.loads(text or "{}"))
        for schema_name, name, files, size, text in rows
    ]


def _count(connection: DuckDBPyConnection, schema: str, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM lake.{quoted(schema)}.{quoted(name)}").fetchone()
    assert row is not None
    return int(row[0])
