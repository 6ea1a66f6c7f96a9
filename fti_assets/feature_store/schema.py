"""How vocabulary tables become tables of the lake, and how rows are checked against them."""

from __future__ import annotations

import json
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import IncompatibleSchemaError, PublishError
from fti_assets.feature_store.lake import literal, table_exists
from fti_assets.vocabulary import Column, ColumnType, Table, quoted

SQL_TYPES: dict[ColumnType, str] = {
    "float": "DOUBLE",
    "int": "BIGINT",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}
_SMALL_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"}
_SAFE_CASTS: dict[ColumnType, set[str]] = {
    "float": {"FLOAT", "BIGINT", *_SMALL_INTEGERS},
    "int": _SMALL_INTEGERS,
    "bool": set(),
    "string": set(),
    "timestamp": {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"},
    "date": set(),
}
_ALWAYS_NULL = '"NULL"'


def accepts(column: Column, sql_type: str) -> bool:
    """Whether values of `sql_type` are those of `column` in another notation. Naive timestamps count as UTC."""
    return (
        sql_type in (SQL_TYPES[column.type], _ALWAYS_NULL)
        or sql_type in _SAFE_CASTS[column.type]
        or (column.type == "float" and sql_type.startswith("DECIMAL"))
        or (column.type == "string" and sql_type.startswith("ENUM"))
    )


def check_columns(table: Table, found: dict[str, str]) -> None:
    """Compares the columns of incoming rows (name to SQL type) with those of `table`.

    Raises:
        PublishError: a column is missing, unexpected, or of a type that does not fit.
    """
    expected = {column.name: column for column in table.columns}
    problems = [f"'{name}' is missing" for name in expected if name not in found]
    problems += [f"'{name}' is not a column of the table" for name in found if name not in expected]
    problems += [
        f"'{name}' is {found[name]} where {SQL_TYPES[column.type]} is promised"
        for name, column in expected.items()
        if name in found and not accepts(column, found[name])
    ]
    if problems:
        raise PublishError(
            f"The rows do not fit '{table}': {'; '.join(problems)}. The table has: {', '.join(_typed(table))}.",
            next_step="Mend the pipeline's SELECT, or the definition.",
        )


def ensure_table(connection: DuckDBPyConnection, table: Table, comment: dict[str, Any]) -> None:
    """Creates the table or adds new columns to it, and keeps its description up to date; within a transaction.

    Raises:
        IncompatibleSchemaError: a column was removed or changed its type.
    """
    if not table_exists(connection, table):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{quoted(table.schema)}")
        columns = ", ".join(f"{quoted(column.name)} {SQL_TYPES[column.type]}" for column in table.columns)
        connection.execute(f"CREATE TABLE {table.sql} ({columns})")
    else:
        _add_columns(connection, table)
    _describe(connection, table, comment)


def _add_columns(connection: DuckDBPyConnection, table: Table) -> None:
    stored = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table.sql}").fetchall()}
    wanted = {column.name: SQL_TYPES[column.type] for column in table.columns}
    changes = [f"'{name}' was {kind} and would be gone" for name, kind in stored.items() if name not in wanted]
    changes += [
        f"'{name}' was {stored[name]} and would be {kind}" for name, kind in wanted.items() if stored.get(name, kind) != kind
    ]
    if changes:
        raise IncompatibleSchemaError(
            f"'{table}' is published with another schema: {'; '.join(changes)}.",
            next_step="Give the changed group the next version: version=2 stands beside version 1.",
        )
    for name, kind in wanted.items():
        if name not in stored:
            connection.execute(f"ALTER TABLE {table.sql} ADD COLUMN {quoted(name)} {kind}")


def keep_description(connection: DuckDBPyConnection, table: Table) -> None:
    """Writes a table's description anew as it is: a change of the catalogue that changes nothing."""
    connection.execute(f"COMMENT ON TABLE {table.sql} IS {literal(_description(connection, table) or '')}")


def _describe(connection: DuckDBPyConnection, table: Table, comment: dict[str, Any]) -> None:
    text = json.dumps(comment, sort_keys=True, ensure_ascii=False)
    if _description(connection, table) != text:
        connection.execute(f"COMMENT ON TABLE {table.sql} IS {literal(text)}")


def _description(connection: DuckDBPyConnection, table: Table) -> str | None:
    row = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = $schema AND table_name = $name",
        {"schema": table.schema, "name": table.name},
    ).fetchone()
    return row[0] if row else None


def _typed(table: Table) -> list[str]:
    return [f"{column.name} {SQL_TYPES[column.type]}" for column in table.columns]
