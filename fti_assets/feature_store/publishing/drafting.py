"""Drafts: rows that are about to be published, in a private table of one connection, cast and checked."""

from __future__ import annotations

from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store.errors import PublishError
from fti_assets.feature_store.lake.lake import literal, within
from fti_assets.feature_store.publishing.schema import SQL_TYPES, check_columns, storage_order
from fti_assets.vocabulary import Table, Window, quoted

DRAFT = "draft"
"""Name of the private table that holds the draft of a connection."""
_ROWS = "draft_rows"
_IDENTITY = "fti_draft"


def draft(connection: DuckDBPyConnection, table: Table, rows: Any, window: Window | None) -> int:
    """Writes `rows` into a private table of this connection, cast to the promised types and cut to `window`.

    Rows outside the window belong to other partitions and are left out. Nothing is visible to anyone else.

    Args:
        connection: of the lake.
        table: where the rows will be published.
        rows: a relation of this connection, or a pandas, polars or pyarrow table.
        window: needed when the table has a time column.

    Returns:
        The number of drafted rows.

    Raises:
        PublishError: columns or types differ, a key or time is null, or a key comes twice.
    """
    where = window_condition(table, window)
    timeless = f" OR {quoted(table.time)} IS NULL" if table.time else ""  # kept, so that they are refused below
    return _draft(connection, table, rows, where + timeless, _identity(table, window))


def draft_by_key(connection: DuckDBPyConnection, table: Table, rows: Any) -> int:
    """Writes `rows`, of whatever windows, into the private table of this connection: see `draft`."""
    return _draft(connection, table, rows, "true", f"{table} by key")


def _draft(connection: DuckDBPyConnection, table: Table, rows: Any, where: str, identity: str) -> int:
    connection.execute(f"SET VARIABLE {_IDENTITY} = NULL")
    relation = as_relation(connection, rows)
    check_columns(table, dict(zip(relation.columns, map(str, relation.types), strict=True)))
    relation.create_view(_ROWS, replace=True)
    columns = ", ".join(f"{quoted(c.name)}::{SQL_TYPES[c.type]} AS {quoted(c.name)}" for c in table.columns)
    order = ", ".join(map(quoted, storage_order(table))) or "ALL"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {DRAFT} AS SELECT {columns} FROM {_ROWS} WHERE {where} ORDER BY {order}")
    _refuse_null(connection, table)
    _refuse_duplicates(connection, table)
    connection.execute(f"SET VARIABLE {_IDENTITY} = {literal(identity)}")
    return drafted_rows(connection)


def drafted_rows(connection: DuckDBPyConnection) -> int:
    """The number of rows of the draft."""
    row = connection.execute(f"SELECT count(*) FROM {DRAFT}").fetchone()
    assert row is not None
    return int(row[0])


def _identity(table: Table, window: Window | None) -> str:
    return f"{table} {window.start.isoformat()} {window.end.isoformat()}" if window else f"{table} as a whole"


def check_draft(connection: DuckDBPyConnection, table: Table, window: Window | None) -> None:
    """A draft names what it was made for, so that it cannot take the place of anything else.

    Raises:
        PublishError: the connection's draft is not one of this table and window, or there is none.
    """
    found = (connection.execute("SELECT getvariable($name)", {"name": _IDENTITY}).fetchone() or (None,))[0]
    wanted = _identity(table, window)
    if found != wanted:
        shown = f"it is one of '{found}'" if found else "there is none"
        raise PublishError(
            f"The draft to publish is not one of '{wanted}': {shown}.",
            next_step="Call draft() with the same table and window on the same connection first.",
        )


def window_condition(table: Table, window: Window | None) -> str:
    """The SQL condition that a row belongs to the window, or to the table when it has no time.

    Raises:
        PublishError: a window is missing, or given to a table without time.
    """
    if table.time is None:
        if window is not None:
            raise PublishError(f"'{table}' has no time and is published as a whole, but the window {window} was given.")
        return "true"
    if window is None:
        raise PublishError(f"'{table}' is published by window of '{table.time}', but no window was given.")
    return within(table.time, window)


def _refuse_null(connection: DuckDBPyConnection, table: Table) -> None:
    required = storage_order(table)
    if not required:
        return
    counts = ", ".join(f"count(*) - count({quoted(name)})" for name in required)
    row = connection.execute(f"SELECT {counts} FROM {DRAFT}").fetchone()
    nulls = {name: count for name, count in zip(required, row or (), strict=True) if count}
    if nulls:
        found = ", ".join(f"'{name}' in {count:,} rows" for name, count in nulls.items())
        raise PublishError(
            f"Rows for '{table}' have no key or time: null {found}.", next_step="Filter or mend them in the pipeline."
        )


def _refuse_duplicates(connection: DuckDBPyConnection, table: Table) -> None:
    key = ", ".join(map(quoted, table.key))
    if not key:
        return
    twice = connection.execute(
        f"SELECT {key}, count(*) AS times FROM {DRAFT} GROUP BY {key} HAVING count(*) > 1 ORDER BY {key} LIMIT 3"
    ).fetchall()
    if twice:
        examples = "; ".join(f"({', '.join(map(str, values))}) {times} times" for *values, times in twice)
        raise PublishError(
            f"Rows for '{table}' repeat the key ({', '.join(table.key)}): {examples}.",
            next_step="Deduplicate them in the pipeline.",
        )


def as_relation(connection: DuckDBPyConnection, rows: Any) -> DuckDBPyRelation:
    """The rows as a relation of this connection."""
    if isinstance(rows, DuckDBPyRelation):
        return rows
    import pyarrow as pa

    if hasattr(rows, "iloc"):  # pandas
        return connection.from_arrow(pa.Table.from_pandas(rows, preserve_index=False))
    if hasattr(rows, "__arrow_c_stream__"):  # pyarrow, polars and others
        return connection.from_arrow(pa.table(rows))
    raise PublishError(
        f"Rows of type '{type(rows).__name__}' cannot be published.",
        next_step="Give a relation, or a pandas, polars or pyarrow table.",
    )
