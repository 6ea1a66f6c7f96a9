"""Rows that a later publication replaced or withdrew: kept beside each feature group, with both of their times.

A row was current at the instant `k` when `_published_at <= k < _superseded_at`; a row of the group itself has not been superseded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake.lake import instant_literal
from fti_assets.feature_store.publishing.drafting import DRAFT, drafted_rows
from fti_assets.feature_store.publishing.schema import PUBLISHED_AT, SUPERSEDED_AT, ensure_table, storage_order
from fti_assets.vocabulary import Table, quoted

_HELD = "_held"
"""Name of the private table of the rows in whose place a draft is put, with their row number in the lake as `held`."""
COMPARED = "_compared"
"""Name of the private table that pairs them with the draft: `held`, row number of the drafted row of the same key, publication
time, and whether the two rows are the same."""
_OTHERS = "_others"


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


def hold(connection: DuckDBPyConnection, table: Table, where: str, *, of_drafted_keys: bool = False) -> int:
    """Reads the rows in whose place the draft is put, once, into a private table of this connection.

    Args:
        connection: of the lake, with the draft.
        table: what the draft is of.
        where: SQL condition that these rows satisfy.
        of_drafted_keys: whether only rows whose key the draft has are meant.

    Returns:
        The number of these rows.
    """
    rows = f"(SELECT rowid AS held, * FROM {table.sql} WHERE {where}) AS h"
    only = f" SEMI JOIN {DRAFT} AS d ON {_same_key(table)}" if of_drafted_keys else ""
    return _make(connection, _HELD, f"SELECT h.* FROM {rows}{only}")


def compare_draft(connection: DuckDBPyConnection, table: Table) -> Difference:
    """Compares the draft with the rows held, and leaves the private table COMPARED.

    Two rows are the same when all promised columns are: nulls are equal, so are NaNs, and -0.0 is not 0.0, so that what is
    published is what is read.
    """
    drafted, held = drafted_rows(connection), _count(connection, _HELD)
    if not held:
        _make(connection, COMPARED, f"{_by_key(table, _HELD)} LIMIT 0")
    elif drafted == held:
        _compare_in_order(connection, table)
    else:
        _make(connection, COMPARED, _by_key(table, _HELD))
    row = connection.execute(f"SELECT count(*), count(*) FILTER (is_same), count(*) - count(drafted) FROM {COMPARED}").fetchone()
    assert row is not None
    return Difference(drafted, *row)


_PAIR = f"SELECT h.held, d.rowid AS drafted, h.{PUBLISHED_AT}"


def _compare_in_order(connection: DuckDBPyConnection, table: Table) -> None:
    """Compares row by row in the order in which both are stored, and by key only those that are not the same then.

    As a rule nothing or little has changed, and to look up every key takes three times as long. Since keys are unique, rows
    that are the same are each other's whatever the order.
    """
    pairs = f"{_PAIR}, {_same_key(table)} AND {_same(table)} AS is_same FROM {_HELD} AS h POSITIONAL JOIN {DRAFT} AS d"
    rows = _make(connection, COMPARED, pairs)
    others = _make(connection, _OTHERS, f"SELECT held FROM {COMPARED} WHERE NOT is_same")
    if others > rows // 2:
        _make(connection, COMPARED, _by_key(table, _HELD))
    elif others:
        connection.execute(f"DELETE FROM {COMPARED} WHERE NOT is_same")
        connection.execute(f"INSERT INTO {COMPARED} {_by_key(table, f'(FROM {_HELD} SEMI JOIN {_OTHERS} USING (held))')}")


def _by_key(table: Table, held: str) -> str:
    """SQL of each row held with the row of the draft that has its key, and whether they are the same."""
    found = f"d.rowid IS NOT NULL AND {_same(table)} AS is_same"
    return f"{_PAIR}, {found} FROM {held} AS h LEFT JOIN {DRAFT} AS d ON {_same_key(table)}"


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


def keys_not_held(connection: DuckDBPyConnection, table: Table, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
    """How many keys of the draft no row held has, and the first of them."""
    key = ", ".join(f"d.{quoted(name)}" for name in table.key)
    unknown = f"{DRAFT} AS d ANTI JOIN {_HELD} AS h ON {_same_key(table)}"
    first = connection.execute(f"SELECT {key} FROM {unknown} ORDER BY ALL LIMIT {limit}").fetchall()
    return _count(connection, unknown), first


def withdraw(connection: DuckDBPyConnection) -> None:
    """Leaves the private table COMPARED of rows held that nothing takes the place of."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {COMPARED} AS
        SELECT held, NULL::BIGINT AS drafted, {PUBLISHED_AT}, false AS is_same FROM {_HELD}"""
    )


def keep_superseded(connection: DuckDBPyConnection, table: Table, instant: datetime) -> None:
    """Copies the rows held that are superseded to where such rows are kept, before they are taken away."""
    if not _count(connection, f"{COMPARED} WHERE NOT is_same"):
        return
    kept = superseded_table(table)
    ensure_table(connection, kept, own=(PUBLISHED_AT, SUPERSEDED_AT))
    order = ", ".join(map(quoted, storage_order(table)))
    names = ", ".join([*(quoted(column.name) for column in table.columns), PUBLISHED_AT])
    connection.execute(
        f"""INSERT INTO {kept.sql} BY NAME SELECT {names}, {instant_literal(instant)} AS {SUPERSEDED_AT}
        FROM {_HELD} SEMI JOIN (FROM {COMPARED} WHERE NOT is_same) USING (held) ORDER BY {order}"""
    )


def _same_key(table: Table) -> str:
    return " AND ".join(f"d.{quoted(name)} = h.{quoted(name)}" for name in table.key)


def _same(table: Table) -> str:
    others = [column.name for column in table.columns if column.name not in table.key]
    floats = [column.name for column in table.columns if column.type == "float"]
    same = [f"d.{quoted(name)} IS NOT DISTINCT FROM h.{quoted(name)}" for name in others]
    signs = [f"signbit(d.{quoted(name)}) IS NOT DISTINCT FROM signbit(h.{quoted(name)})" for name in floats]
    return " AND ".join([*same, *signs]) or "true"


def _make(connection: DuckDBPyConnection, name: str, query: str) -> int:
    """Makes a private table and returns the number of its rows."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    return _count(connection, name)


def _count(connection: DuckDBPyConnection, source: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    assert row is not None
    return int(row[0])
