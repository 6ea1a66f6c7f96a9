"""Publishing: a draft becomes visible in place of what its window held, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import PublishError
from fti_assets.feature_store.lake.lake import Lake, instant_literal
from fti_assets.feature_store.publishing.contract_registry import CONTRACTS, register
from fti_assets.feature_store.publishing.contracts import Stored, describe, describe_table
from fti_assets.feature_store.publishing.drafting import DRAFT, as_relation, check_draft, drafted_rows, window_condition
from fti_assets.feature_store.publishing.publications import PUBLICATIONS, Publication, next_instant, next_snapshot, record
from fti_assets.feature_store.publishing.schema import (
    PUBLISHED_AT,
    SUPERSEDED_AT,
    check_columns,
    ensure_table,
    stored_columns,
    write_description,
)
from fti_assets.feature_store.publishing.superseded import (
    COMPARED,
    Difference,
    compare_draft,
    hold,
    keep_superseded,
    superseded_table,
)
from fti_assets.vocabulary import Table, Window

_INLINED_ROWS = 1000


def publish(
    lake: Lake,
    connection: DuckDBPyConnection,
    target: Stored,
    window: Window | None,
    *,
    run: str = "",
    code_version: str = "",
    may_be_empty: bool = False,
    published_at: datetime | None = None,
) -> Publication:
    """Makes the draft of this connection visible in place of what the window held before.

    In tables that keep superseded rows, a row that was there already keeps its publication time, the others are dated anew,
    and what they took the place of is kept. Where nothing differs the table is not touched.

    Args:
        lake: where to publish.
        connection: of the lake, with the draft.
        target: what the draft is of.
        window: whose rows it replaces.
        run: kept with the publication, so is `code_version`.
        code_version: of what made the rows.
        may_be_empty: whether a window without rows is published as such.
        published_at: when it was first published, for history that is imported from elsewhere; now unless given.

    Raises:
        PublishError: the draft is of something else or empty, or the publication time is not after the table's last.
        IncompatibleContractError: the definition would break those who read the published table.
        LockedError: another writer did not finish in time.
    """
    table = target.table
    where = window_condition(table, window)
    check_draft(connection, table, window)
    rows = drafted_rows(connection)
    if not rows and not may_be_empty:
        _refuse_empty(table, window)
    prepare(lake, connection)
    with lake.writing(connection, purpose=f"publishing {table}"):
        ensure_target(connection, target, run=run)
        instant = next_instant(connection, table, published_at)
        replace = _replace_differing if table.keeps_superseded else _replace_all
        replaced, changed = replace(connection, table, where, instant)
        return record(
            connection,
            "publish",
            table,
            instant,
            window=window,
            rows=rows,
            replaced=replaced,
            changed=changed,
            run=run,
            code_version=code_version,
        )


def append(lake: Lake, connection: DuckDBPyConnection, table: Table, rows: Any, *, description: str, run: str = "") -> Publication:
    """Adds `rows` to a table that keeps history, such as that of validation results.

    Raises:
        PublishError: the rows do not fit, or the table is one whose rows replace each other.
        IncompatibleContractError: the definition lost or changed a column of the published table.
        LockedError: another writer did not finish in time.
    """
    if table.keeps_superseded:
        raise PublishError(f"Rows of '{table}' replace each other and cannot be appended.", next_step="Publish or upsert them.")
    relation = as_relation(connection, rows)
    check_columns(table, dict(zip(relation.columns, map(str, relation.types), strict=True)))
    relation.create_view("appended_rows", replace=True)
    prepare(lake, connection)
    with lake.writing(connection, purpose=f"appending to {table}"):
        if ensure_table(connection, table):
            write_description(connection, table, describe_table(table, description))
        added = _affected(connection, f"INSERT INTO {table.sql} BY NAME SELECT * FROM appended_rows")
        return record(connection, "append", table, next_instant(connection, table), rows=added, replaced=0, changed=added, run=run)


def prepare(lake: Lake, connection: DuckDBPyConnection) -> None:
    """Makes the tables in which the lake keeps what was published, where it has none yet.

    Their small inserts go into the database of the catalogue, not into files: a publication a day would be a file a day.
    """
    if stored_columns(connection, PUBLICATIONS):
        return
    with lake.writing(connection, purpose="making its catalogue of publications"):
        for table in (CONTRACTS, PUBLICATIONS):
            ensure_table(connection, table)
        connection.execute("CALL lake.set_commit_message('fti_assets', 'make the catalogue of publications')")
    with lake.writing(connection, purpose="making its catalogue of publications"):
        options = {"rows": _INLINED_ROWS, "schema": PUBLICATIONS.schema}
        connection.execute("CALL lake.set_option('data_inlining_row_limit', $rows, schema => $schema)", options)


def ensure_target(connection: DuckDBPyConnection, target: Stored, *, run: str) -> None:
    """Registers the contract of what is published and makes its table fit it; within the transaction that publishes.

    Raises:
        IncompatibleContractError: the definition would break those who read the published table.
    """
    is_new = register(connection, target, snapshot=next_snapshot(connection), run=run)
    own = (PUBLISHED_AT,) if target.table.keeps_superseded else ()
    is_changed = ensure_table(connection, target.table, own=own)
    if is_changed and stored_columns(connection, superseded_table(target.table)):  # has the same columns at any snapshot
        ensure_table(connection, superseded_table(target.table), own=(PUBLISHED_AT, SUPERSEDED_AT))
    if is_changed or is_new:
        write_description(connection, target.table, describe(target))


def _refuse_empty(table: Table, window: Window | None) -> None:
    of = f" for {window}" if window else ""
    raise PublishError(
        f"There are no rows of '{table}'{of}; nothing was published.", next_step="State may_be_empty=True if emptiness is meant."
    )


def _replace_all(connection: DuckDBPyConnection, table: Table, where: str, _: datetime) -> tuple[int, None]:
    """Puts the draft in place of the window. Returns how many rows were there; that they differ is not looked at."""
    replaced = _affected(connection, f"DELETE FROM {table.sql} WHERE {where}")
    connection.execute(f"INSERT INTO {table.sql} BY NAME SELECT * FROM {DRAFT}")
    return replaced, None


def _replace_differing(connection: DuckDBPyConnection, table: Table, where: str, instant: datetime) -> tuple[int, int]:
    """Puts the draft in place of the window where they differ. Returns how many rows were there, and how many changed."""
    held = hold(connection, table, where)
    found = compare_draft(connection, table)
    if not found.is_none:
        keep_superseded(connection, table, instant)
        if held:
            connection.execute(f"DELETE FROM {table.sql} WHERE {where}")
        connection.execute(f"INSERT INTO {table.sql} BY NAME {_dated(found, instant)}")
    return held, found.changed


def _dated(found: Difference, instant: datetime) -> str:
    """SQL of the whole draft in its order, each row with its publication time: that of before where it is unchanged."""
    if not found.unchanged:
        return f"SELECT *, {instant_literal(instant)} AS {PUBLISHED_AT} FROM {DRAFT}"
    return f"""SELECT d.*, coalesce(u.{PUBLISHED_AT}, {instant_literal(instant)}) AS {PUBLISHED_AT}
    FROM {DRAFT} AS d LEFT JOIN (FROM {COMPARED} WHERE is_same) AS u ON d.rowid = u.drafted ORDER BY d.rowid"""


def _affected(connection: DuckDBPyConnection, statement: str) -> int:
    """Runs an INSERT or DELETE and returns the number of its rows."""
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
