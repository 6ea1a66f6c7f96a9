"""Publishing: rows are drafted and checked first, then made visible by window, in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store.errors import PublishError
from fti_assets.feature_store.lake import Lake, last_committed_snapshot, literal, within
from fti_assets.feature_store.schema import SQL_TYPES, check_columns, ensure_table, keep_description
from fti_assets.vocabulary import Table, Window, quoted

DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication made visible.

    Attributes:
        snapshot: the first snapshot of the lake that shows it.
        rows: rows published.
        replaced: rows of the same window that it took the place of.
    """

    table: str
    window: Window | None
    rows: int
    replaced: int
    snapshot: int


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
    relation = _relation(connection, rows)
    check_columns(table, dict(zip(relation.columns, map(str, relation.types), strict=True)))
    relation.create_view("draft_rows", replace=True)
    where = _condition(table, window)
    timeless = f" OR {quoted(table.time)} IS NULL" if table.time else ""  # kept, so that they are refused below
    columns = ", ".join(f"{quoted(c.name)}::{SQL_TYPES[c.type]} AS {quoted(c.name)}" for c in table.columns)
    order = ", ".join(map(quoted, _required(table))) or "ALL"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {DRAFT} AS SELECT {columns} FROM draft_rows WHERE {where}{timeless} ORDER BY {order}"
    )
    _refuse_null(connection, table)
    _refuse_duplicates(connection, table)
    connection.execute(f"COMMENT ON TABLE {DRAFT} IS {literal(_identity(table, window))}")
    row = connection.execute(f"SELECT count(*) FROM {DRAFT}").fetchone()
    assert row is not None
    return int(row[0])


def publish(
    lake: Lake, connection: DuckDBPyConnection, table: Table, window: Window | None, *, comment: dict[str, Any], run: str
) -> Publication:
    """Makes the draft of this connection visible in place of what the window held before.

    Raises:
        PublishError: the connection's draft is not one of this table and window, or there is none.
        IncompatibleSchemaError: the definition lost or changed a column of the published table.
        LockedError: another writer did not finish in time.
    """
    where = _condition(table, window)
    _check_draft(connection, table, window)
    with lake.writing(connection, purpose=f"publishing {table}"):
        ensure_table(connection, table, comment)
        replaced = _changed(connection, f"DELETE FROM {table.sql} WHERE {where}")
        rows = _changed(connection, f"INSERT INTO {table.sql} BY NAME SELECT * FROM {DRAFT}")
        if not rows and not replaced:
            keep_description(connection, table)  # a commit that changes nothing leaves no snapshot, and no trace
        borders = [str(window.start), str(window.end)] if window else None
        note = {"table": str(table), "rows": rows, "replaced": replaced, "window": borders}
        _annotate(connection, run, f"publish {table}", note)
    return Publication(str(table), window, rows, replaced, last_committed_snapshot(connection))


def append(lake: Lake, connection: DuckDBPyConnection, table: Table, rows: Any, *, comment: dict[str, Any], run: str) -> None:
    """Adds `rows` to a table that keeps history, such as that of validation results."""
    relation = _relation(connection, rows)
    check_columns(table, dict(zip(relation.columns, map(str, relation.types), strict=True)))
    relation.create_view("draft_rows", replace=True)
    with lake.writing(connection, purpose=f"appending to {table}"):
        ensure_table(connection, table, comment)
        connection.execute(f"INSERT INTO {table.sql} BY NAME SELECT * FROM draft_rows")
        _annotate(connection, run, f"append to {table}", {"table": str(table), "rows": relation.shape[0]})


def _annotate(connection: DuckDBPyConnection, run: str, message: str, note: dict[str, Any]) -> None:
    connection.execute(
        "CALL lake.set_commit_message($author, $message, extra_info => $note)",
        {"author": run or "fti_assets", "message": message, "note": json.dumps(note)},
    )


def _changed(connection: DuckDBPyConnection, statement: str) -> int:
    """Runs an INSERT or DELETE and returns the number of its rows."""
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _identity(table: Table, window: Window | None) -> str:
    return f"{table} {window.start.isoformat()} {window.end.isoformat()}" if window else f"{table} as a whole"


def _check_draft(connection: DuckDBPyConnection, table: Table, window: Window | None) -> None:
    """A draft names what it was made for, so that it cannot take the place of anything else."""
    row = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE temporary AND table_name = $name", {"name": DRAFT}
    ).fetchone()
    found = row[0] if row else None
    wanted = _identity(table, window)
    if found != wanted:
        shown = f"it is one of '{found}'" if found else "there is none"
        raise PublishError(
            f"The draft to publish is not one of '{wanted}': {shown}.",
            next_step="Call draft() with the same table and window on the same connection first.",
        )


def _condition(table: Table, window: Window | None) -> str:
    if table.time is None:
        if window is not None:
            raise PublishError(f"'{table}' has no time and is published as a whole, but the window {window} was given.")
        return "true"
    if window is None:
        raise PublishError(f"'{table}' is published by window of '{table.time}', but no window was given.")
    return within(table.time, window)


def _required(table: Table) -> list[str]:
    """The columns that may not be null, the time first: the order in which rows are stored."""
    return list(dict.fromkeys([*([table.time] if table.time else []), *table.key]))


def _refuse_null(connection: DuckDBPyConnection, table: Table) -> None:
    required = _required(table)
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


def _relation(connection: DuckDBPyConnection, rows: Any) -> DuckDBPyRelation:
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
