"""What the lake says of its tables: which there are, how large, who published what, and which days are covered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake import table_exists
from fti_assets.vocabulary import FeatureGroup, Monitor, Predictions, StagedTable, Table, Window, quoted

Stored = FeatureGroup | StagedTable | Predictions | Monitor


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


def describe(target: Stored) -> dict[str, Any]:
    """The contract of a table as plain data; it is stored with the table, so that readers need no code."""
    contract = target.contract
    text: dict[str, Any] = {
        "description": target.description,
        "owner": contract.owner,
        "key": list(target.table.key),
        "time": target.table.time,
        "timezone": target.table.cadence.timezone if target.table.cadence else None,
        "columns": [asdict(column) for column in target.table.columns],
        "expectations": [{"name": e.name, "says": e.sentence, "severity": e.severity} for e in contract.expectations],
        "fresh_within": str(contract.fresh_within) if contract.fresh_within else None,
    }
    if isinstance(target, FeatureGroup):
        text |= {
            "group": target.name,
            "version": target.version,
            "entity": target.entity.name,
            "features": list(target.feature_names),
            "ttl": str(target.ttl) if target.ttl else None,
        }
    return text


_TABLES = """
-- one row for each table of the lake
SELECT t.schema_name, t.table_name, i.file_count, i.file_size_bytes, t.comment
FROM duckdb_tables() AS t
LEFT JOIN (
    SELECT s.schema_name, i.*
    FROM ducklake_table_info('lake') AS i JOIN __ducklake_metadata_lake.ducklake_schema AS s USING (schema_id)
    WHERE s.end_snapshot IS NULL
) AS i ON i.schema_name = t.schema_name AND i.table_name = t.table_name
WHERE t.database_name = 'lake' AND t.schema_name NOT LIKE '\\_\\_%' ESCAPE '\\' AND ($schema IS NULL OR t.schema_name = $schema)
ORDER BY t.schema_name, t.table_name
"""


def tables(connection: DuckDBPyConnection, schema: str | None = None) -> list[TableInfo]:
    """The tables of the lake, or of one of its schemas, by name."""
    rows = connection.execute(_TABLES, {"schema": schema}).fetchall()
    return [
        TableInfo(schema_name, name, _count(connection, schema_name, name), files or 0, size or 0, json.loads(text or "{}"))
        for schema_name, name, files, size, text in rows
    ]


def _count(connection: DuckDBPyConnection, schema: str, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM lake.{quoted(schema)}.{quoted(name)}").fetchone()
    assert row is not None
    return int(row[0])


_HISTORY = """
-- one row for each publication of a table, newest first
SELECT snapshot_id, snapshot_time, author, commit_extra_info
FROM lake.snapshots()
WHERE commit_extra_info IS NOT NULL AND json_extract_string(commit_extra_info, '$.table') = $table
ORDER BY snapshot_id DESC LIMIT $limit
"""


def history(connection: DuckDBPyConnection, table: str, limit: int) -> list[tuple[int, datetime, str, dict[str, Any]]]:
    """Publications of a table (`features.x_v1`), newest first: snapshot, time, run and what was published."""
    rows = connection.execute(_HISTORY, {"table": table, "limit": limit}).fetchall()
    return [(snapshot, at, author, json.loads(note)) for snapshot, at, author, note in rows]


_WINDOWS = """
-- one row for each window of a table that was ever published
SELECT DISTINCT json_extract(commit_extra_info, '$.window')
FROM lake.snapshots()
WHERE json_extract_string(commit_extra_info, '$.table') = $table AND json_type(commit_extra_info, '$.window') = 'ARRAY'
"""


def unpublished_days(connection: DuckDBPyConnection, table: Table, window: Window) -> list[str]:
    """The partitions of `window` that no publication of the table covers; emptiness that was published counts as covered."""
    if table.cadence is None:
        return [] if table_exists(connection, table) else ["as a whole"]
    borders = [json.loads(text) for (text,) in connection.execute(_WINDOWS, {"table": str(table)}).fetchall()]
    published = [Window(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in borders]
    days = {key: table.cadence.window(key) for key in table.cadence.keys(window) if table.cadence.holds(key)}
    return [key for key, day in days.items() if not any(one.start <= day.start and day.end <= one.end for one in published)]
