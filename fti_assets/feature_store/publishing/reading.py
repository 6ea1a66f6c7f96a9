"""Reading tables of the lake by their definition."""

from __future__ import annotations

from collections.abc import Iterable

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store.errors import MissingFeaturesError
from fti_assets.feature_store.lake.lake import within
from fti_assets.feature_store.publishing.schema import PUBLISHED_AT, SQL_TYPES, SUPERSEDED_AT, stored_columns
from fti_assets.vocabulary import Table, Window, quoted


def read(connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> DuckDBPyRelation:
    """The rows of a table within `window`, or all; an unpublished table reads as an empty one.

    Raises:
        MissingFeaturesError: the table was published before the definition had all of its columns.
    """
    existing = stored_columns(connection, table)
    if not existing:
        typed = ", ".join(f"NULL::{SQL_TYPES[column.type]} AS {quoted(column.name)}" for column in table.columns)
        return connection.sql(f"SELECT {typed} WHERE false")
    names = [column.name for column in table.columns]
    _require(table, names, existing)
    where = f"WHERE {within(table.time, window)}" if window and table.time else ""
    return connection.sql(f"SELECT {', '.join(map(quoted, names))} FROM {table.sql} {where}")


def require_columns(connection: DuckDBPyConnection, table: Table, names: Iterable[str]) -> None:
    """Refuses to read columns that a published table does not have yet.

    Raises:
        MissingFeaturesError: one is missing; the error names those that exist.
    """
    _require(table, names, stored_columns(connection, table))


def _require(table: Table, names: Iterable[str], existing: Iterable[str]) -> None:
    own = [name for name in existing if name not in (PUBLISHED_AT, SUPERSEDED_AT)]
    missing = [name for name in names if name not in own]
    if missing:
        raise MissingFeaturesError(
            f"'{table}' was last published without {', '.join(missing)}. It has: {', '.join(own)}.",
            next_step=f"Materialise '{'/'.join(table.asset_key)}' again.",
        )
