"""Whether the lake still is what was written: every file of every snapshot read again, and the catalogue checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyarrow import compute as pc
from pyarrow import parquet

from fti_assets.feature_store.care.checksums import Checksum, checksum, checksums, write_checksums
from fti_assets.feature_store.care.file_days import Days, Times, days_of, times
from fti_assets.feature_store.history.snapshots import snapshots
from fti_assets.feature_store.lake.catalog_database import SqliteCatalog
from fti_assets.feature_store.lake.file_access import opened
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.lake.stored_files import StoredFile, stored_files

Kind = Literal["missing", "size", "checksum", "unreadable", "rows", "times"]

Progress = Callable[[int, int], None]
"""Told how many files were read, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file that is not what was written.

    Attributes:
        what: what is wrong with it, in words.
        snapshots: those that show it and are kept.
        is_current: whether the newest snapshot shows it.
        days: first and last day of its rows, where its table has days and they are known.
        has_checksum: whether its checksum was recorded before, so that a copy of it can be told from another file.
    """

    file: StoredFile
    kind: Kind
    what: str
    snapshots: tuple[int, ...]
    is_current: bool
    days: Days | None = None
    has_checksum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found.

    Attributes:
        files: how many were read.
        bytes: their size.
        snapshots: how many are kept.
        damages: files that are not what was written.
        catalogue: what is wrong with the catalogue itself, in words.
        recorded: files that had no checksum yet, and have one now.
    """

    files: int = 0
    bytes: int = 0
    snapshots: int = 0
    damages: tuple[Damage, ...] = ()
    catalogue: tuple[str, ...] = ()
    recorded: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.damages and not self.catalogue


def verify(lake: Lake, *, progress: Progress = lambda *_: None) -> Verification:
    """Reads every file that a snapshot shows, and checks the catalogue. Files without a checksum get one if they are sound."""
    broken = catalogue_problems(lake)
    if broken:
        return Verification(catalogue=tuple(broken))
    try:
        with lake.connect() as connection:
            return _verify(lake, connection, progress)
    except duckdb.Error as error:
        return Verification(catalogue=(f"It cannot be read: {str(error).splitlines()[0]}",))


def _verify(lake: Lake, connection: DuckDBPyConnection, progress: Progress) -> Verification:
    files, known, kept = stored_files(connection), checksums(connection), snapshots(connection)
    ranges = times(connection)
    found: dict[str, tuple[Kind, str]] = {}
    new: dict[str, Checksum] = {}
    for done, file in enumerate(files, start=1):
        checked = check_file(lake, connection, file, known.get(file.path), ranges.get(file.id))
        if isinstance(checked, Checksum):
            new |= {file.path: checked} if file.path not in known else {}
        else:
            found[file.path] = checked
        progress(done, len(files))
    # Maintenance may have replaced and removed some of them meanwhile, which is no damage.
    still = {file.path for file in stored_files(connection)}
    damages = list(_damages(connection, [file for file in files if file.path in still & found.keys()], found, known.keys()))
    write_checksums(lake, connection, {path: new[path] for path in new.keys() & still})
    return Verification(
        files=len(files),
        bytes=sum(file.bytes for file in files),
        snapshots=len(kept),
        damages=tuple(damages),
        catalogue=tuple(_uncountable(connection)),
        recorded=len(new.keys() & still),
    )


def _damages(
    connection: DuckDBPyConnection, files: Sequence[StoredFile], found: dict[str, tuple[Kind, str]], known: Iterable[str]
) -> Iterator[Damage]:
    kept = [snapshot.number for snapshot in snapshots(connection)]
    recorded = set(known)
    for file in files:
        kind, what = found[file.path]
        yield Damage(
            file=file,
            kind=kind,
            what=what,
            snapshots=tuple(file.shown_by(kept)),
            is_current=file.is_current,
            days=days_of(connection, file),
            has_checksum=file.path in recorded,
        )


def check_file(
    lake: Lake, connection: DuckDBPyConnection, file: StoredFile, known: Checksum | None, expected: Times | None = None
) -> Checksum | tuple[Kind, str]:
    """Reads a file to its last page. Returns its checksum, or what is wrong with it.

    Args:
        lake: that has the file.
        connection: of the lake.
        file: as the catalogue describes it.
        known: its checksum, where it was recorded.
        expected: the times that the catalogue says its rows have. By them files are left out of a read.
    """
    try:
        with opened(lake, connection, file.path) as source:
            found = checksum(source)
            wrong = _differs(found, file, known)
            source.seek(0)
            return wrong or _content(source, file, expected) or found
    except FileNotFoundError:
        return "missing", "the file is gone"


def _differs(found: Checksum, file: StoredFile, known: Checksum | None) -> tuple[Kind, str] | None:
    if found.bytes != file.bytes:
        return "size", f"it has {found.bytes:,} bytes instead of {file.bytes:,}"
    if known is not None and found.sha256 != known.sha256:
        return "checksum", f"its SHA-256 is {found.sha256[:12]}.. instead of {known.sha256[:12]}.."
    return None


def _content(source: BufferedIOBase, file: StoredFile, expected: Times | None) -> tuple[Kind, str] | None:
    """What is wrong with the rows of a Parquet file, all of whose values are read."""
    rows, seen = 0, []
    try:
        with parquet.ParquetFile(source, pre_buffer=False) as content:
            for batch in content.iter_batches():
                rows += batch.num_rows
                seen += [pc.min_max(batch[expected.column]).as_py()] if expected else []
    except (pa.ArrowException, OSError) as error:
        return "unreadable", f"it cannot be read: {str(error).splitlines()[0]}"
    if rows != file.rows:
        return "rows", f"it has {rows:,} rows instead of {file.rows:,}"
    if expected and rows:
        first, last = min(one["min"] for one in seen), max(one["max"] for one in seen)
        if (first, last) != (expected.first, expected.last):
            return "times", f"its times are {first} to {last} instead of {expected.first} to {expected.last}"
    return None


def catalogue_problems(lake: Lake) -> list[str]:
    """What SQLite finds wrong with the file of the catalogue; a server checks its own."""
    return sqlite_problems(lake.catalog.file) if isinstance(lake.catalog, SqliteCatalog) else []


def sqlite_problems(file: Path) -> list[str]:
    """What is wrong with a SQLite database, in words."""
    if not file.is_file():
        return [f"There is no file {file}"]
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            said = [text for (text,) in database.execute("PRAGMA integrity_check(10)").fetchall()]
    except sqlite3.Error as error:
        return [f"SQLite cannot read {file}: {error}"]
    return [] if said == ["ok"] else [f"SQLite finds in {file}: {'; '.join(' '.join(text.split()) for text in said)}"]


_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"


def _uncountable(connection: DuckDBPyConnection) -> Iterator[str]:
    """Tables that the catalogue names and cannot count."""
    for schema, name in connection.execute(_TABLES).fetchall():
        try:
            connection.execute(f'SELECT count(*) FROM lake."{schema}"."{name}"').fetchone()
        except duckdb.Error as error:
            yield f"{schema}.{name} cannot be counted: {str(error).splitlines()[0]}"
