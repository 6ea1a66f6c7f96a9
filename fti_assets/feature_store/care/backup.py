"""Backups of the lake and the training datasets, consistent while others publish, and incremental."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fti_assets.feature_store.care.backup_manifest import (
    FILE,
    BackupManifest,
    Progress,
    file_checksum,
    read_manifest,
    write_manifest,
)
from fti_assets.feature_store.care.checksums import Checksum, checksums, record_checksums
from fti_assets.feature_store.care.verification import catalogue_problems, sqlite_problems
from fti_assets.feature_store.errors import BackupError, DamagedFilesError
from fti_assets.feature_store.lake.catalog_database import SqliteCatalog
from fti_assets.feature_store.lake.connections import in_memory_connection
from fti_assets.feature_store.lake.extensions import load_extensions
from fti_assets.feature_store.lake.file_access import local_folder
from fti_assets.feature_store.lake.lake import Lake, literal
from fti_assets.feature_store.lake.stored_files import stored_files
from fti_assets.version import code_version

if TYPE_CHECKING:
    from fti_assets.feature_store.store import FeatureStore

DATA, DATASETS = "data", "training_datasets"
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was backed up.

    Attributes:
        copied: files that were copied or linked now; the others were there from an earlier backup.
        copied_bytes: their size.
    """

    folder: Path
    manifest: BackupManifest
    copied: int
    copied_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A file that belongs into a backup.

    Attributes:
        target: its path in the backup.
        file: where it is.
        expected: its checksum, where it was recorded.
        changed: time of its last change in nanoseconds, for files that may be written anew; None for those that never change.
    """

    target: str
    file: Path
    expected: Checksum | None = None
    changed: int | None = None


class _VanishedError(Exception):
    """A file was removed by maintenance while it was to be copied."""


def back_up(store: FeatureStore, folder: Path, *, link: bool = False, progress: Progress = lambda *_: None) -> Backup:
    """Backs up the lake and the training datasets into `folder`; every file of the backup is read there and compared.

    The backup is of one snapshot, however much is published meanwhile. Files of an earlier backup in the folder are kept where
    they are still good, and those that nothing refers to any more are removed. Until everything is there, the earlier backup stays
    what it is.

    Args:
        store: what is backed up.
        folder: for backups alone; a new one, or one with an earlier backup.
        link: links files instead of copying them, on the same file system. That takes no time and no room, and does not help
            against a broken disk.
        progress: told how far it is.

    Raises:
        BackupError: catalogue or files are on a server, there is no lake, or the folder has something else in it.
        DamagedFilesError: a file of the lake is gone or damaged, and the earlier backup does not have it either.
        LockedError: files have no checksum yet, and another writer did not finish in time.
    """
    _check(store, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with store.connect() as connection:
        record_checksums(store.lake, connection)
    for _ in range(_TRIES):
        try:
            return _back_up(store, folder, link, progress)
        except _VanishedError:
            continue
    raise BackupError("Files of the lake were removed while they were copied.", next_step="Wait for its maintenance to end.")


def require_local(lake: Lake, what: str) -> None:
    """Refuses a lake whose catalogue or files are on a server.

    Raises:
        BackupError: the error says what to use instead.
    """
    if lake.is_local:
        return
    catalogue = f"The catalogue is in {lake.catalog}: use pg_dump. " if lake.catalog.kind != "sqlite" else ""
    files = f"The files are in {lake.data}: use versions or a copy of the bucket." if lake.data.kind != "folder" else ""
    raise BackupError(
        f"A lake on a server is not {what} here. {catalogue}{files}".strip(),
        next_step="Copy the catalogue first, then the files, without maintenance in between: it alone removes files.",
    )


def _check(store: FeatureStore, folder: Path) -> None:
    require_local(store.lake, "backed up")
    if not store.lake.is_there:
        raise BackupError(f"There is no lake in {store.lake.catalog} to back up: nothing was ever published.")
    broken = catalogue_problems(store.lake)
    if broken:
        raise BackupError(f"{broken[0]}; no backup was made.", next_step="Restore an earlier backup of the lake.")
    inside, root = folder.resolve(), store.root.resolve()
    if inside.is_relative_to(root) or root.is_relative_to(inside):
        raise BackupError(f"'{folder}' and the store in '{store.root}' are in each other.", next_step="Take a folder elsewhere.")
    if folder.exists() and not (folder.is_dir() and ((folder / FILE).exists() or _is_unfinished(folder))):
        raise BackupError(f"'{folder}' has something else in it than a backup.", next_step="Name a new or an empty folder.")


def _is_unfinished(folder: Path) -> bool:
    """Whether a folder is empty, or has what a backup that was interrupted left."""
    names = {path.name for path in folder.iterdir()}
    return all(name in (DATA, DATASETS) or name.startswith((".", "catalog-")) for name in names)


def _back_up(store: FeatureStore, folder: Path, link: bool, progress: Progress) -> Backup:
    earlier = read_manifest(folder) if (folder / FILE).exists() else None
    datasets = list(_dataset_files(store.root))  # before the catalogue, so that it has every snapshot that they name
    catalogue = _copy_catalogue(store.lake, folder)
    snapshot, files = _files_of(store, catalogue)
    sources = [*files, *datasets]
    kept = {one.target: found for one in sources if (found := _still_good(folder, earlier, one))}
    missing = [one for one in sources if one.target not in kept]
    copied = _copy_all(store, folder, missing, link, progress)
    broken = sqlite_problems(catalogue)
    if broken:
        raise BackupError(f"{broken[0]}; no backup was made.", next_step="Restore an earlier backup of the lake.")
    checksum = file_checksum(catalogue)
    final = folder / f"catalog-{checksum.sha256[:16]}.sqlite"
    catalogue.replace(final)
    manifest = BackupManifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source=str(store.root.resolve()),
        snapshot=snapshot,
        catalog=final.name,
        files={final.name: checksum, **{one.target: kept.get(one.target) or copied[one.target] for one in sources}},
        times={one.target: one.changed for one in sources if one.changed is not None},
        code_version=code_version(),
    )
    write_manifest(folder, manifest)
    _remove_others(folder, manifest)
    return Backup(folder=folder, manifest=manifest, copied=len(copied), copied_bytes=sum(one.bytes for one in copied.values()))


def _copy_catalogue(lake: Lake, folder: Path) -> Path:
    """A copy of the catalogue as it is at one instant, while others go on writing."""
    assert isinstance(lake.catalog, SqliteCatalog)  # a local lake has no other
    target = folder / ".catalog.sqlite"
    target.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(lake.catalog.file, timeout=30)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise BackupError(
            f"The catalogue of the lake cannot be copied: {error}.", next_step="`fti lake verify` says more."
        ) from error
    return target


def _files_of(store: FeatureStore, catalogue: Path) -> tuple[int, list[_Source]]:
    """The newest snapshot of a copied catalogue, and the files that it refers to."""
    with store.connect() as connection:
        known = checksums(connection)
    data = local_folder(store.lake)
    assert data is not None  # a local lake has its files in a folder
    with in_memory_connection() as connection:
        load_extensions(connection, ("sqlite",))
        connection.execute(f"ATTACH {literal(str(catalogue))} AS __ducklake_metadata_lake (TYPE sqlite, READ_ONLY)")
        try:
            paths = [file.path for file in stored_files(connection)]
            row = connection.execute("SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot").fetchone()
        finally:
            connection.execute("DETACH __ducklake_metadata_lake")
    assert row is not None
    return int(row[0]), [_Source(target=f"{DATA}/{path}", file=data / path, expected=known.get(path)) for path in paths]


def _dataset_files(root: Path) -> Iterator[_Source]:
    """The files of the stored training datasets, but for what is being cut."""
    for file in sorted((root / DATASETS).rglob("*")):
        inside = file.relative_to(root)
        if file.is_file() and not any(part.startswith(".") for part in inside.parts):
            yield _Source(target=inside.as_posix(), file=file, changed=file.stat().st_mtime_ns)


def _still_good(folder: Path, earlier: BackupManifest | None, one: _Source) -> Checksum | None:
    """The checksum of a file that the earlier backup has and that has not changed since; None when it is to be copied."""
    known = earlier.files.get(one.target) if earlier else None
    if earlier is None or known is None or earlier.times.get(one.target) != one.changed:
        return None
    file = folder / one.target
    if not file.is_file() or (one.expected or known) != known:
        return None
    return known if file_checksum(file) == known else None


def _copy_all(store: FeatureStore, folder: Path, sources: list[_Source], link: bool, progress: Progress) -> Mapping[str, Checksum]:
    copied: dict[str, Checksum] = {}
    damaged = []
    for done, one in enumerate(sources, start=1):
        try:
            found = _copy(one.file, folder / one.target, link)
        except FileNotFoundError:
            damaged.append(one.target)
            continue
        if found != (one.expected or found):
            (folder / one.target).unlink()
            damaged.append(one.target)
        copied[one.target] = found
        progress("Copying", done, len(sources))
    if damaged:
        _refuse(store, damaged)
    return copied


def _refuse(store: FeatureStore, damaged: list[str]) -> None:
    with store.connect() as connection:
        current = {f"{DATA}/{file.path}" for file in stored_files(connection)}
    if any(path.startswith(f"{DATA}/") and path not in current for path in damaged):
        raise _VanishedError
    raise DamagedFilesError(
        damaged, "no backup was made", next_step="`fti lake verify` names all that is damaged, and what can be done."
    )


def _copy(source: Path, target: Path, link: bool) -> Checksum:
    """Copies or links a file; under its name it is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}")
    with suppress(FileNotFoundError):
        work.unlink()
    if link:
        try:
            os.link(source, work)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
                raise
            raise BackupError(
                f"'{target.parent}' is on another file system than the lake, or one without links.",
                next_step="Copy: without --link.",
            ) from error
    else:
        shutil.copy2(source, work)
    found = file_checksum(work)
    work.replace(target)
    return found


def _remove_others(folder: Path, manifest: BackupManifest) -> None:
    """Removes what an earlier backup had and this one does not need."""
    for file in [*folder.glob("catalog-*.sqlite"), *(folder / DATA).rglob("*"), *(folder / DATASETS).rglob("*")]:
        if file.is_file() and file.relative_to(folder).as_posix() not in manifest.files:
            file.unlink()
    for place in (folder / DATA, folder / DATASETS):
        for empty in sorted((path for path in place.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):
                empty.rmdir()
