"""Checksums: what each file of the lake was when it was written, so that damage is seen that can still be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.file_access import opened
from fti_assets.feature_store.lake import Lake
from fti_assets.feature_store.publish import prepare
from fti_assets.feature_store.schema import ensure_table, stored_columns
from fti_assets.feature_store.stored_files import StoredFile, stored_files
from fti_assets.vocabulary import Column, Table

CHECKSUMS = Table(
    schema="catalog",
    name="checksums",
    columns=(
        Column("path", "string", "Below the lake's data path."),
        Column("bytes", "int"),
        Column("sha256", "string"),
        Column("recorded_at", "timestamp"),
    ),
    key=("path",),
)

Progress = Callable[[int, int], None]
"""Told how many files are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


def checksums(connection: DuckDBPyConnection) -> dict[str, Checksum]:
    """The recorded checksums, by path below the lake's data path."""
    if not stored_columns(connection, CHECKSUMS):
        return {}
    rows = connection.execute(f"SELECT path, bytes, sha256 FROM {CHECKSUMS.sql}").fetchall()
    return {path: Checksum(size, sha256) for path, size, sha256 in rows}


def checksum_of(lake: Lake, connection: DuckDBPyConnection, path: str) -> Checksum:
    """Size and SHA-256 of a file as it is now.

    Raises:
        FileNotFoundError: there is none.
    """
    with opened(lake, connection, path) as file:
        digest = hashlib.file_digest(file, "sha256")
        return Checksum(file.tell(), digest.hexdigest())


def record_checksums(
    lake: Lake, connection: DuckDBPyConnection, *, snapshot: int | None = None, progress: Progress = lambda *_: None
) -> int:
    """Records the checksums of files that have none yet, in one transaction; when all have one, nothing is written.

    A file is recorded as it is found. The sooner that is after it was written, the less can have happened to it.

    Args:
        lake: where the files are.
        connection: of the lake.
        snapshot: looks only at the files that this snapshot was the first to show, which takes no longer with more files.
        progress: told how many of the files are done.

    Returns:
        How many were recorded. Files that are gone are left out; `verify` names them.
    """
    new = _unrecorded(connection, snapshot)
    found: dict[str, Checksum] = {}
    for done, file in enumerate(new, start=1):
        with suppress(FileNotFoundError):
            found[file.path] = checksum_of(lake, connection, file.path)
        progress(done, len(new))
    write_checksums(lake, connection, found)
    return len(found)


def _unrecorded(connection: DuckDBPyConnection, snapshot: int | None) -> list[StoredFile]:
    known = checksums(connection) if snapshot is None else {}
    files = stored_files(connection, begin=snapshot)
    return [file for file in files if file.path not in known]


def write_checksums(lake: Lake, connection: DuckDBPyConnection, found: Mapping[str, Checksum]) -> None:
    """Adds checksums, by path, in one transaction; none leave no trace."""
    if not found:
        return
    prepare(lake, connection)
    rows = {
        "path": list(found),
        "bytes": [one.bytes for one in found.values()],
        "sha256": [one.sha256 for one in found.values()],
        "recorded_at": [datetime.now(UTC)] * len(found),
    }
    connection.from_arrow(pa.table(rows)).create_view("found_checksums", replace=True)
    with lake.writing(connection, purpose="recording checksums"):
        ensure_table(connection, CHECKSUMS)
        connection.execute(f"INSERT INTO {CHECKSUMS.sql} BY NAME SELECT * FROM found_checksums")
        connection.execute("CALL lake.set_commit_message('fti_assets', 'record checksums')")


def changed_files(lake: Lake, connection: DuckDBPyConnection, files: Iterable[StoredFile]) -> list[str]:
    """Those of some files that are gone, or are not what was recorded of them."""
    known = checksums(connection)
    return [file.path for file in files if not _is_unchanged(lake, connection, file, known.get(file.path))]


def _is_unchanged(lake: Lake, connection: DuckDBPyConnection, file: StoredFile, recorded: Checksum | None) -> bool:
    try:
        found = checksum_of(lake, connection, file.path)
    except FileNotFoundError:
        return False
    return found == recorded if recorded else found.bytes == file.bytes
