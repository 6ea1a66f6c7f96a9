"""Rows that a later publication replaced or withdrew: kept beside each feature group, with both of their times.

A row was current at the instant `k` when `_published_at <= k < _superseded_at`; a row of the group itself has not been superseded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.drafting import DRAFT, drafted_rows, storage_order
from fti_assets.feature_store.lake import instant_literal
from fti_assets.feature_store.schema import PUBLISHED_AT, SUPERSEDED_AT, ensure_table
from fti_assets.vocabulary import Table, quoted

HELD = "_held"
"""Name of the private table of the rows in whose place a draft is put: their `rowid`, that of the drafted row of the same key,
their publication time, and whether the two rows are the same."""


def superseded_table(table: Table) -> Table:
    """Where the superseded rows of a table are: `superseded.NAME`, with the columns of the table and both times."""
    return Table(schema="superseded", name=table.name, columns=table.columns, key=table.key)


@dataclass(frozen=True, slots=True)
class Difference:
    """How a draft differs from what the table holds in its place, in rows.

    Attributes:
        drafted: rows of the draft.
        held: rows of the table in whose place the draft is put.
        unchanged: rows that both have.
        withdrawn: held rows whose key the draft does not have.
    """

    drafted: int
    held: int
    unchanged: int
    withdrawn: int

    @property
    def is_none(self) -> bool:
        return self.drafted == self.unchanged == self.held

    @property
    def changed(self) -> int:
        """Rows that are new, altered or withdrawn."""
        return self.drafted - self.unchanged + self.withdrawn


def compare_draft(connection: DuckDBPyConnection, table: Table, held: str) -> Difference:
    """Compares the draft with the rows `held` that have its keys or lie in its window, and leaves the private table HELD.

    Two rows are the same when all promised columns are: nulls are equal, so are NaNs, and -0.0 is not 0.0, so that what is
    published is what is read.

    Args:
        connection: of the lake.
        table: what the draft is of.
        held: SQL of the rows in whose place the draft is put, with their `rowid`, see `held_rows`.
    """
    drafted = drafted_rows(connection)
    if not _count(connection, f"({held})"):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {HELD} AS {_NOTHING_HELD}")
        return Difference(drafted, 0, 0, 0)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {HELD} AS
        SELECT h.rowid AS held, d.rowid AS drafted, h.{PUBLISHED_AT}, d.rowid IS NOT NULL AND {_same(table)} AS is_same
        FROM ({held}) AS h LEFT JOIN {DRAFT} AS d ON {_same_key(table)}"""
    )
    row = connection.execute(f"SELECT count(*), count_if(is_same), count(*) - count(drafted) FROM {HELD}").fetchone()
    assert row is not None
    return Difference(drafted, *row)


_NOTHING_HELD = f"SELECT 0 AS held, 0 AS drafted, NULL::TIMESTAMPTZ AS {PUBLISHED_AT}, false AS is_same LIMIT 0"


def held_rows(table: Table, where: str) -> str:
    """SQL of the rows of a table that satisfy a condition, with their `rowid`."""
    return f"SELECT rowid, * FROM {table.sql} WHERE {where}"


def held_under_keys(table: Table, reach: str) -> str:
    """SQL of the rows of a table whose key the draft has, with their `rowid`."""
    return f"SELECT h.* FROM ({held_rows(table, reach)}) AS h SEMI JOIN {DRAFT} AS d ON {_same_key(table)}"


def reach_of_keys(connection: DuckDBPyConnection, table: Table) -> str:
    """The condition that a row lies between the first and the last time in the draft's keys, so that other files are not read."""
    times = [name for name in table.key if table.column(name).type == "timestamp"]
    bounds = ", ".join(f"min({quoted(name)}), max({quoted(name)})" for name in times)
    found = connection.execute(f"SELECT {bounds or 'NULL'} FROM {DRAFT}").fetchone() or ()
    spans = zip(times, found[::2], found[1::2], strict=False)
    within = [
        f"{quoted(name)} BETWEEN {instant_literal(first)} AND {instant_literal(last)}" for name, first, last in spans if first
    ]
    return " AND ".join(within) or "true"


def keys_not_held(connection: DuckDBPyConnection, table: Table, held: str, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
    """How many keys of the draft are not among the rows `held`, and the first of them."""
    key = ", ".join(f"d.{quoted(name)}" for name in table.key)
    unknown = f"{DRAFT} AS d ANTI JOIN ({held}) AS h ON {_same_key(table)}"
    first = connection.execute(f"SELECT {key} FROM {unknown} ORDER BY ALL LIMIT {limit}").fetchall()
    return _count(connection, unknown), first


def withdraw(connection: DuckDBPyConnection, held: str) -> int:
    """Leaves the private table HELD of rows that nothing takes the place of. Returns how many there are."""
    columns = f"rowid AS held, NULL::BIGINT AS drafted, {PUBLISHED_AT}, false AS is_same"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {HELD} AS SELECT {columns} FROM ({held})")
    return _count(connection, HELD)


def keep_superseded(connection: DuckDBPyConnection, table: Table, held: str, instant: datetime) -> None:
    """Copies those of the rows `held` that are superseded to where such rows are kept, before they are taken away."""
    if not _count(connection, f"{HELD} WHERE NOT is_same"):
        return
    kept = superseded_table(table)
    ensure_table(connection, kept, own=(PUBLISHED_AT, SUPERSEDED_AT))
    order = ", ".join(map(quoted, storage_order(table)))
    names = ", ".join([*(quoted(column.name) for column in table.columns), PUBLISHED_AT])
    connection.execute(
        f"""INSERT INTO {kept.sql} BY NAME SELECT {names}, {instant_literal(instant)} AS {SUPERSEDED_AT}
        FROM ({held}) AS h SEMI JOIN (FROM {HELD} WHERE NOT is_same) AS s ON h.rowid = s.held ORDER BY {order}"""
    )


def _same_key(table: Table) -> str:
    return " AND ".join(f"d.{quoted(name)} = h.{quoted(name)}" for name in table.key)


def _same(table: Table) -> str:
    others = [column.name for column in table.columns if column.name not in table.key]
    floats = [column.name for column in table.columns if column.type == "float"]
    same = [f"d.{quoted(name)} IS NOT DISTINCT FROM h.{quoted(name)}" for name in others]
    signs = [f"signbit(d.{quoted(name)}) IS NOT DISTINCT FROM signbit(h.{quoted(name)})" for name in floats]
    return " AND ".join([*same, *signs]) or "true"


def _count(connection: DuckDBPyConnection, source: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    assert row is not None
    return int(row[0])
