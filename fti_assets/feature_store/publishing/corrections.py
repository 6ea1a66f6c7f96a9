"""Corrections: single rows of a feature group, replaced, added or withdrawn by their key, whatever their windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import MissingFeaturesError, PublishError
from fti_assets.feature_store.lake.lake import Lake, instant_literal
from fti_assets.feature_store.publishing.drafting import DRAFT, draft_by_key
from fti_assets.feature_store.publishing.publications import Publication, next_instant, record
from fti_assets.feature_store.publishing.publish import ensure_target, prepare
from fti_assets.feature_store.publishing.schema import PUBLISHED_AT, stored_columns
from fti_assets.feature_store.publishing.superseded import (
    COMPARED,
    compare_draft,
    hold,
    keep_superseded,
    keys_not_held,
    reach_of_keys,
    withdraw,
)
from fti_assets.vocabulary import FeatureGroup, Table

_NAMED = 5


def upsert(
    lake: Lake, connection: DuckDBPyConnection, group: FeatureGroup, rows: Any, *, run: str, published_at: datetime | None
) -> Publication:
    """Puts each row in place of those of the same key (entity and event time), or adds it where there is none.

    What it took the place of is kept. A row that is there already stays as it is, so that repeating it changes nothing.

    Raises:
        PublishError: the rows do not fit, a key is null or comes twice, or the publication time is not after the table's last.
        IncompatibleContractError: the definition would break those who read the published table.
        LockedError: another writer did not finish in time.
    """
    table = group.table
    given = draft_by_key(connection, table, rows)
    prepare(lake, connection)
    with lake.writing(connection, purpose=f"upserting into {table}"):
        ensure_target(connection, group, run=run)
        instant, reach = next_instant(connection, table, published_at), reach_of_keys(connection, table)
        held = hold(connection, table, reach, of_drafted_keys=True)
        found = compare_draft(connection, table)
        _take_away(connection, table, reach, instant)
        if found.unchanged < found.drafted:
            connection.execute(
                f"""INSERT INTO {table.sql} BY NAME SELECT d.*, {instant_literal(instant)} AS {PUBLISHED_AT}
                FROM {DRAFT} AS d ANTI JOIN (FROM {COMPARED} WHERE is_same) AS u ON d.rowid = u.drafted ORDER BY d.rowid"""
            )
        return record(connection, "upsert", table, instant, rows=given, replaced=held, changed=found.changed, run=run)


def retract(
    lake: Lake, connection: DuckDBPyConnection, group: FeatureGroup, keys: Any, *, run: str, published_at: datetime | None
) -> Publication:
    """Withdraws the rows of the given keys (entity and event time); they are kept among the superseded ones.

    Raises:
        PublishError: the keys do not fit, one comes twice, or the group has no row of one: the error names them.
        MissingFeaturesError: the group was never published.
        LockedError: another writer did not finish in time.
    """
    table = group.table
    if not stored_columns(connection, table):
        raise MissingFeaturesError(f"'{table}' was never published, so there is nothing to withdraw.")
    of_keys = replace(table, columns=tuple(table.column(name) for name in table.key), time=None, cadence=None)
    given = draft_by_key(connection, of_keys, keys)
    prepare(lake, connection)
    with lake.writing(connection, purpose=f"withdrawing from {table}"):
        instant, reach = next_instant(connection, table, published_at), reach_of_keys(connection, table)
        withdrawn = hold(connection, table, reach, of_drafted_keys=True)
        _refuse_unknown(connection, table)
        withdraw(connection)
        _take_away(connection, table, reach, instant)
        return record(connection, "retract", table, instant, rows=given, replaced=withdrawn, changed=withdrawn, run=run)


def _take_away(connection: DuckDBPyConnection, table: Table, reach: str, instant: datetime) -> None:
    """Moves the rows that are superseded from the table to where such rows are kept."""
    keep_superseded(connection, table, instant)
    connection.execute(f"DELETE FROM {table.sql} WHERE {reach} AND rowid IN (SELECT held FROM {COMPARED} WHERE NOT is_same)")


def _refuse_unknown(connection: DuckDBPyConnection, table: Table) -> None:
    count, first = keys_not_held(connection, table, _NAMED)
    if count:
        named = "; ".join(f"({', '.join(map(str, key))})" for key in first)
        more = f" and {count - len(first):,} more" if count > len(first) else ""
        raise PublishError(
            f"'{table}' has no row of these keys ({', '.join(table.key)}): {named}{more}. Nothing was withdrawn.",
            next_step="Leave them out; a row that was withdrawn already is not there any more.",
        )
