"""How vocabulary tables become tables of the lake, and how rows are checked against them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import IncompatibleContractError, PublishError
from fti_assets.feature_store.lake.lake import literal
from fti_assets.feature_store.publishing.contracts import Change
from fti_assets.vocabulary import Column, ColumnType, Table, quoted

PUBLISHED_AT = "_published_at"
"""When a row was published, in tables that keep superseded rows. Names with an underscore in front are the platform's alone."""
SUPERSEDED_AT = "_superseded_at"
"""When a row that is not current any more was replaced or withdrawn."""
SQL_TYPES: dict[ColumnType, str] = {
    "float": "DOUBLE",
    "int": "BIGINT",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}
OF_TABLE = "CASE WHEN table_name = $table THEN true END"
"""The condition that a row of a catalogue table is about `$table`. Written so that it is not pushed down: to look up which files
it might be in takes DuckLake longer than to read the few rows, and longer with every file of the lake."""
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


def storage_order(table: Table) -> list[str]:
    """The columns that may not be null, the time first: the order in which rows are stored."""
    return list(dict.fromkeys([*([table.time] if table.time else []), *table.key]))


def stored_columns(connection: DuckDBPyConnection, table: Table) -> dict[str, str]:
    """The columns of a table as it is stored, name to SQL type, those of the platform included; none where there is no table.

    Asked of the table itself: to list the tables of a lake is to look at the statistics of each of them.
    """
    try:
        return {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table.sql}").fetchall()}
    except duckdb.CatalogException:
        return {}


def ensure_table(connection: DuckDBPyConnection, table: Table, *, own: Sequence[str] = ()) -> bool:
    """Creates the table, or adds columns to it that are new; within a transaction.

    Args:
        connection: of the lake.
        table: what is to be there.
        own: times of the platform beside the columns of the table.

    Returns:
        Whether anything was done.

    Raises:
        IncompatibleContractError: a column was removed or changed its type.
    """
    wanted = {column.name: SQL_TYPES[column.type] for column in table.columns} | dict.fromkeys(own, SQL_TYPES["timestamp"])
    stored = stored_columns(connection, table)
    if not stored:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS lake.{quoted(table.schema)}")
        columns = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
        connection.execute(f"CREATE TABLE {table.sql} ({columns})")
        if table.time:  # files that are written, and those that are merged of them, are in this order
            order = ", ".join(map(quoted, storage_order(table)))
            connection.execute(f"ALTER TABLE {table.sql} SET SORTED BY ({order})")
        return True
    _refuse_other_types(table, stored, wanted)
    missing = [name for name in wanted if name not in stored]
    for name in missing:
        connection.execute(f'ALTER TABLE {table.sql} ADD COLUMN "{name}" {wanted[name]}')
    return bool(missing)


def _refuse_other_types(table: Table, stored: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    changes = [
        Change(f"column '{name}'", kind, None, compatible=False)
        for name, kind in stored.items()
        if name not in wanted and name not in (PUBLISHED_AT, SUPERSEDED_AT)
    ]
    changes += [
        Change(f"type of '{name}'", stored[name], kind, compatible=False)
        for name, kind in wanted.items()
        if stored.get(name, kind) != kind
    ]
    if changes:
        raise IncompatibleContractError(str(table), changes)


def write_description(connection: DuckDBPyConnection, table: Table, description: Mapping[str, Any]) -> None:
    """Writes what is said of a table to the table, as readers find it; within a transaction."""
    connection.execute(f"COMMENT ON TABLE {table.sql} IS {literal(as_text(description))}")


def as_text(description: Mapping[str, Any]) -> str:
    """A description as JSON in which equal ones are equal texts."""
    return json.dumps(description, sort_keys=True, ensure_ascii=False)


def _typed(table: Table) -> list[str]:
    return [f"{column.name} {SQL_TYPES[column.type]}" for column in table.columns]
