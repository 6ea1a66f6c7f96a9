"""Registered contracts: every state that the contract of a table has had, kept in the lake itself as `catalog.contracts`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.errors import not_found
from fti_assets.feature_store.errors import IncompatibleContractError
from fti_assets.feature_store.publishing.contracts import Change, Stored, compare, describe
from fti_assets.feature_store.publishing.schema import OF_TABLE, as_text, stored_columns
from fti_assets.vocabulary import Column, FeatureGroup, Table

CONTRACTS = Table(
    schema="catalog",
    name="contracts",
    columns=(
        Column("table_name", "string"),
        Column("revision", "int", "1 for the contract of the first publication."),
        Column("contract", "string", "JSON, see describe()."),
        Column("changes", "string", "JSON: the differences to the revision before."),
        Column("recorded_at", "timestamp"),
        Column("snapshot", "int", "First snapshot that was published under it."),
        Column("run", "string"),
    ),
    key=(),
)
_FIELDS = ", ".join(f'"{column.name}"' for column in CONTRACTS.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRevision:
    """One registered state of a table's contract.

    Attributes:
        changes: the differences to the revision before; none in the first.
        snapshot: the first snapshot that was published under it.
    """

    table: str
    revision: int
    contract: dict[str, Any]
    changes: tuple[Change, ...]
    recorded_at: datetime
    snapshot: int
    run: str


def register(connection: DuckDBPyConnection, target: Stored, *, snapshot: int, run: str) -> bool:
    """Records the contract of what is about to be published, where it is new; within the transaction that publishes.

    Returns:
        Whether it differs from the last one.

    Raises:
        IncompatibleContractError: it would break those who read the table by the last one.
    """
    new = describe(target)
    last = _last(connection, str(target.table))
    if last is None:
        _record(connection, target.table, 1, new, (), snapshot, run)
        return True
    revision, old = last
    if old == as_text(new):
        return False
    changes = compare(json.loads(old), json.loads(as_text(new)))
    breaking = [change for change in changes if not change.compatible]
    if breaking:
        following = target.version + 1 if isinstance(target, FeatureGroup) else None
        raise IncompatibleContractError(str(target.table), breaking, next_version=following)
    if changes:
        _record(connection, target.table, revision + 1, new, changes, snapshot, run)
    return bool(changes)


_LAST = f"""
-- one row: number and text of the newest contract of a table, nulls where there is none; a third of the time of ORDER BY and LIMIT
SELECT max(revision) FILTER (table_name = $table), arg_max(contract, revision) FILTER (table_name = $table) FROM {CONTRACTS.sql}
"""


def _last(connection: DuckDBPyConnection, table: str) -> tuple[int, str] | None:
    revision, contract = connection.execute(_LAST, {"table": table}).fetchone() or (None, None)
    return None if revision is None or contract is None else (revision, contract)


def _record(
    connection: DuckDBPyConnection,
    table: Table,
    revision: int,
    contract: dict[str, Any],
    changes: Sequence[Change],
    snapshot: int,
    run: str,
) -> None:
    told = json.dumps([asdict(change) for change in changes], ensure_ascii=False)
    connection.execute(
        f"INSERT INTO {CONTRACTS.sql} ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [str(table), revision, as_text(contract), told, datetime.now(UTC), snapshot, run],
    )


def contracts(connection: DuckDBPyConnection, table: str) -> list[ContractRevision]:
    """The registered states of a table's contract (`features.x_v1`), oldest first."""
    if not stored_columns(connection, CONTRACTS):
        return []
    query = f"SELECT {_FIELDS} FROM {CONTRACTS.sql} WHERE {OF_TABLE} ORDER BY revision"
    return [_revision(*row) for row in connection.execute(query, {"table": table}).fetchall()]


def _revision(
    table: str, revision: int, contract: str, changes: str, recorded_at: datetime, snapshot: int, run: str
) -> ContractRevision:
    return ContractRevision(
        table=table,
        revision=revision,
        contract=json.loads(contract),
        changes=tuple(Change(**change) for change in json.loads(changes)),
        recorded_at=recorded_at,
        snapshot=snapshot,
        run=run,
    )


def find(revisions: Sequence[ContractRevision], table: str, revision: int | None = None) -> ContractRevision:
    """One of the registered states of a table's contract, the newest unless given.

    Raises:
        NotFoundError: there is no such one; the error names those that exist.
    """
    for one in reversed(revisions):
        if revision in (None, one.revision):
            return one
    wanted = f"of {table}" if revision is None else f"{revision} of {table}"
    raise not_found(
        "Contract", wanted, [f"{one.revision} of {table}" for one in revisions], next_step="Publish it to register one."
    )
