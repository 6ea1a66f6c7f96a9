"""Damaged files of the lake: put back from a backup, or taken out of their table so that their days can be published again."""

from __future__ import annotations

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError, not_found
from fti_assets.feature_store.care.checksums import Checksum, checksums
from fti_assets.feature_store.care.file_days import Days, days_of
from fti_assets.feature_store.care.verification import check_file
from fti_assets.feature_store.lake.lake import Lake, current_snapshot
from fti_assets.feature_store.lake.stored_files import StoredFile, stored_files
from fti_assets.feature_store.publishing.publications import next_instant, record
from fti_assets.feature_store.publishing.publish import prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What was taken out of a table.

    Attributes:
        rows: how many rows are lost, counting those of the file that were deleted before.
        days: first and last day of these rows, where the table has days: those that have to be published again.
        snapshot: the first that does not show them.
    """

    file: StoredFile
    rows: int
    days: Days | None
    snapshot: int


def drop_file(lake: Lake, connection: DuckDBPyConnection, path: str) -> Dropped:
    """Takes the rows of a damaged file out of its table without reading the file.

    To publish a window again its rows are deleted first, for which DuckLake reads their file; where it cannot, this comes first.
    Older snapshots go on naming the file, and fail where they read it.

    Args:
        lake: that has the file.
        connection: of the lake.
        path: of the file below the lake's data path, as `verify` shows it. For a file of deletions the file whose rows it
            deletes goes too, since the deleted rows would be back otherwise.

    Raises:
        NotFoundError: the newest snapshot shows no such file.
        FtiError: the file is sound; nothing was changed.
        LockedError: another writer did not finish in time.
    """
    purpose = f"taking {path} out of its table"
    prepare(lake, connection)
    rows = _rows_of(lake, connection, path)
    days = days_of(connection, rows)
    with lake.writing(connection, purpose):
        _record_lost(connection, rows, days)  # first, so that days without rows never count as published
    with lake.writing(connection, purpose):
        snapshot = _drop(connection, rows)
    return Dropped(file=rows, rows=rows.rows, days=days, snapshot=snapshot)


def _rows_of(lake: Lake, connection: DuckDBPyConnection, path: str) -> StoredFile:
    """The file of rows that a damaged file is, or deletes from."""
    current = [file for file in stored_files(connection) if file.is_current]
    by_path = {file.path: file for file in current}
    if path not in by_path:
        raise not_found("File", path, [], where="what the newest snapshot reads", next_step="`fti lake verify` names damaged ones.")
    damaged = by_path[path]
    _refuse_sound(lake, connection, damaged)
    of = damaged.id if damaged.deletes_from is None else damaged.deletes_from
    return next(file for file in current if file.id == of and file.deletes_from is None)


def _record_lost(connection: DuckDBPyConnection, rows: StoredFile, days: Days | None) -> None:
    window = days.window if days else None
    at = next_instant(connection, rows.table)
    record(connection, "lost", rows.table, at, rows=0, replaced=rows.rows, changed=rows.rows, window=window)


_DROP = """
-- A snapshot of its own, as a DELETE of all rows of the file makes one.
INSERT INTO __ducklake_metadata_lake.ducklake_snapshot
SELECT snapshot_id + 1, now(), schema_version, next_catalog_id, next_file_id
FROM __ducklake_metadata_lake.ducklake_snapshot WHERE snapshot_id = {snapshot} - 1;
INSERT INTO __ducklake_metadata_lake.ducklake_snapshot_changes
SELECT {snapshot}, 'deleted_from_table:' || table_id, 'fti lake drop-file', 'take a damaged file out of {table}', NULL
FROM __ducklake_metadata_lake.ducklake_data_file WHERE data_file_id = {file};
UPDATE __ducklake_metadata_lake.ducklake_data_file SET end_snapshot = {snapshot} WHERE data_file_id = {file};
UPDATE __ducklake_metadata_lake.ducklake_delete_file SET end_snapshot = {snapshot}
WHERE data_file_id = {file} AND end_snapshot IS NULL;
"""


def _drop(connection: DuckDBPyConnection, rows: StoredFile) -> int:
    """Writes into the catalogue, whose tables are DuckLake's published format, that a new snapshot does not show a file."""
    snapshot = current_snapshot(connection) + 1
    if any(file.id == rows.id and file.is_current for file in stored_files(connection)):
        connection.execute(_DROP.format(snapshot=snapshot, file=rows.id, table=rows.table))
    return snapshot


def _refuse_sound(lake: Lake, connection: DuckDBPyConnection, file: StoredFile) -> None:
    recorded = checksums(connection).get(file.path)
    if isinstance(check_file(lake, connection, file, recorded), Checksum):
        raise FtiError(
            f"{file.path} is as it was written; nothing was changed.",
            next_step="Rows that are wrong are published anew, or withdrawn with FeatureStore.retract.",
        )
