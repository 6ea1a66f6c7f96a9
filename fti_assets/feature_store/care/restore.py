"""A backup put back: as a whole in place of the lake, or single files that the lake lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fti_assets.feature_store.care.backup import DATA, DATASETS, require_local
from fti_assets.feature_store.care.backup_manifest import BackupManifest, Progress, check_backup, file_checksum, read_manifest
from fti_assets.feature_store.care.checksums import checksums
from fti_assets.feature_store.care.verification import Verification, verify
from fti_assets.feature_store.errors import BackupError, DamagedFilesError
from fti_assets.feature_store.lake.file_access import local_folder
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.lake.stored_files import stored_files

LAKE = "lake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What was restored.

    Attributes:
        root: folder of the store.
        aside: where that which was there before is now.
        verification: of the restored lake.
    """

    root: Path
    manifest: BackupManifest
    aside: tuple[Path, ...]
    verification: Verification


def restore(folder: Path, root: Path, *, replace: bool = False, progress: Progress = lambda *_: None) -> Restoration:
    """Puts the backup in `folder` in place of the lake and the training datasets in `root`.

    The backup is checked first and what is copied is compared; then the folders change their names, and what was there is kept
    beside. At the end the restored lake is verified. Who has the old lake open must be started again.

    Args:
        folder: of the backup.
        root: folder of the store.
        replace: moves what is there aside instead of refusing.
        progress: told how far it is.

    Raises:
        BackupError: there is no backup, or a lake or datasets are in `root` already.
        DamagedFilesError: the backup is damaged.
        LockedError: a writer of the old lake did not finish in time.
    """
    manifest = read_manifest(folder)
    there = [root / name for name in (LAKE, DATASETS) if _has_files(root / name)]
    if there and not replace:
        named = " and ".join(f"'{path}'" for path in there)
        raise BackupError(
            f"There is something already in {named}; nothing was restored.",
            next_step="Restore elsewhere with --into DIR, or add --replace, which moves it aside.",
        )
    check_backup(folder, manifest, progress)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    work = root / f".restoring-{stamp}"
    try:
        _copy_into(work, folder, manifest, progress)
        with Lake(root / LAKE).locked("being replaced by a backup") if root / LAKE in there else nullcontext():
            aside = [path.rename(path.with_name(f"{path.name}.replaced-{stamp}")) for path in there]
            for name in (LAKE, DATASETS):
                shutil.rmtree(root / name, ignore_errors=True)  # empty, else it was moved aside
                (work / name).rename(root / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found = verify(Lake(root / LAKE), progress=lambda done, of: progress("Verifying the lake", done, of))
    return Restoration(root=root, manifest=manifest, aside=tuple(aside), verification=found)


def _has_files(folder: Path) -> bool:
    return any(path.is_file() and not path.name.startswith(".writer") for path in folder.rglob("*"))


def _copy_into(work: Path, folder: Path, manifest: BackupManifest, progress: Progress) -> None:
    """Copies a backup into the shape of a store, and compares what was copied."""
    for name in (LAKE, DATASETS):
        (work / name).mkdir(parents=True)
    for done, (path, checksum) in enumerate(manifest.files.items(), start=1):
        if path == manifest.catalog:
            target = work / LAKE / "catalog.sqlite"
        else:
            target = work / (LAKE if path.startswith(f"{DATA}/") else "") / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / path, target)
        if file_checksum(target) != checksum:
            raise DamagedFilesError([str(target)], "nothing was restored", next_step="Look at the disk, and restore again.")
        progress("Restoring", done, len(manifest.files))


def put_back(lake: Lake, folder: Path, paths: Iterable[str]) -> list[str]:
    """Copies files that the lake lost, or that were damaged, from a backup. Their content is what was recorded, or nothing is done.

    Args:
        lake: that lost them.
        folder: of the backup.
        paths: of the files, below the lake's data path.

    Returns:
        Those that were put back; the others are not in the backup, or not as they were recorded.
    """
    require_local(lake, "repaired from a backup")
    manifest, data = read_manifest(folder), local_folder(lake)
    assert data is not None  # a local lake has its files in a folder
    with lake.connect() as connection:
        known, files = checksums(connection), {file.path: file for file in stored_files(connection)}
    done = []
    for path in paths:
        kept = manifest.files.get(f"{DATA}/{path}")
        expected = known.get(path, kept)
        if path not in files or kept is None or kept != expected or kept.bytes != files[path].bytes:
            continue
        copy = folder / DATA / path
        if copy.is_file() and file_checksum(copy) == kept:
            _place(copy, data / path)
            done.append(path)
    return done


def _place(source: Path, target: Path) -> None:
    """A file that is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}")
    shutil.copy2(source, work)
    work.replace(target)
