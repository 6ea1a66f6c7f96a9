"""Checksums: what each file of the lake was when it was written, so that damage is seen that can still be read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake.file_access import local_folder, opened
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.lake.stored_files import StoredFile, stored_files
from fti_assets.feature_store.publishing.publish import prepare
from fti_assets.feature_store.publishing.schema import ensure_table, stored_columns
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

_AT_ONCE = 500  # rows; so few go into the catalogue instead of a file

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
        return checksum(file)


def checksum(file: BufferedIOBase) -> Checksum:
    """Size and SHA-256 of an open file, from where it stands."""
    digest = hashlib.file_digest(file, "sha256")
    return Checksum(file.seek(0, os.SEEK_END), digest.hexdigest())


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
        How many were recorded. Files that are gone or of another size are left out; `verify` names them.
    """
    new = _unrecorded(connection, snapshot)
    found: dict[str, Checksum] = {}
    for done, file in enumerate(new, start=1):
        with suppress(FileNotFoundError):
            one = checksum_of(lake, connection, file.path)
            found |= {file.path: one} if one.bytes == file.bytes else {}
        progress(done, len(new))
    write_checksums(lake, connection, found)
    return len(found)


def _unrecorded(connection: DuckDBPyConnection, snapshot: int | None) -> list[StoredFile]:
    known = checksums(connection) if snapshot is None else {}
    files = stored_files(connection, begin=snapshot)
    return [file for file in files if file.path not in known]


@contextmanager
def recording(lake: Lake, connection: DuckDBPyConnection, *tables: Table) -> Iterator[None]:
    """Within a transaction: records the checksums of the files that the block writes into some tables.

    They are there or not there together with the files. Only files in a folder are recorded: those in a bucket would have to be
    fetched again, and are left to `record_checksums`.
    """
    folder = local_folder(lake)
    if folder is None:
        yield
        return
    before = _present(folder, tables)
    yield
    new = sorted(_present(folder, tables) - before)
    if new:
        _insert(connection, {path: checksum_of(lake, connection, path) for path in new})


def _present(folder: Path, tables: Iterable[Table]) -> set[str]:
    """The Parquet files in the folders of some tables."""
    found: set[str] = set()
    for table in tables:
        place = f"{table.schema}/{table.name}"
        with suppress(FileNotFoundError), os.scandir(folder / place) as entries:
            found |= {f"{place}/{entry.name}" for entry in entries if entry.name.endswith(".parquet")}
    return found


def write_checksums(lake: Lake, connection: DuckDBPyConnection, found: Mapping[str, Checksum]) -> None:
    """Adds checksums, by path, in one transaction; none leave no trace."""
    if not found:
        return
    prepare(lake, connection)
    with lake.writing(connection, purpose="recording checksums"):
        _insert(connection, found)
        connection.execute("CALL lake.set_commit_message('fti_assets', 'record checksums')")


def _insert(connection: DuckDBPyConnection, found: Mapping[str, Checksum]) -> None:
    ensure_table(connection, CHECKSUMS)
    now, every = datetime.now(UTC), list(found.items())
    for first in range(0, len(every), _AT_ONCE):
        some = every[first : first + _AT_ONCE]
        given = ", ".join(["(?, ?, ?, ?)"] * len(some))
        values = [value for path, one in some for value in (path, one.bytes, one.sha256, now)]
        connection.execute(f"INSERT INTO {CHECKSUMS.sql} (path, bytes, sha256, recorded_at) VALUES {given}", values)


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
