"""What a backup consists of: a catalogue, data files and training datasets, each with its checksum."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fti_assets.feature_store.care.checksums import Checksum, checksum
from fti_assets.feature_store.care.verification import sqlite_problems
from fti_assets.feature_store.errors import BackupError, DamagedFilesError

FILE = "manifest.json"
FORMAT = 1

Progress = Callable[[str, int, int], None]
"""Told what is done with the files, how many are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """What is in a backup.

    Attributes:
        made_at: when, ISO, UTC.
        source: folder of the store that was backed up.
        snapshot: the newest of the lake then.
        catalog: the file of the catalogue.
        files: checksum of each file, by its path in the backup.
        times: when each training dataset's file was changed last, in nanoseconds, by its path.
    """

    made_at: str
    source: str
    snapshot: int
    catalog: str
    files: Mapping[str, Checksum]
    times: Mapping[str, int]
    code_version: str

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Writes the manifest of a backup; at any moment the old or the new one is there as a whole."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    work = folder / f".{FILE}"
    with work.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    work.replace(folder / FILE)


def read_manifest(folder: Path) -> BackupManifest:
    """The manifest of the backup in `folder`.

    Raises:
        BackupError: there is no backup, or one that this version cannot read.
    """
    if not (folder / FILE).is_file():
        raise BackupError(f"There is no backup in '{folder}': it has no {FILE}.", next_step="`fti lake backup DIR` makes one.")
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if said.pop("format") != FORMAT:
            raise BackupError(f"The backup in '{folder}' is of another format.", next_step="Use the version that made it.")
        files = {path: Checksum(**values) for path, values in said.pop("files").items()}
        return BackupManifest(files=files, **said)
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"The manifest of the backup in '{folder}' cannot be read: {error}.") from error


def file_checksum(file: Path) -> Checksum:
    """Size and SHA-256 of a file."""
    with file.open("rb") as source:
        return checksum(source)


def check_backup(folder: Path, manifest: BackupManifest, progress: Progress) -> None:
    """Reads every file of a backup again.

    Raises:
        DamagedFilesError: one is gone or not what was written.
        BackupError: the catalogue in it is broken.
    """
    damaged = []
    for done, (path, expected) in enumerate(manifest.files.items(), start=1):
        file = folder / path
        if not file.is_file() or file_checksum(file) != expected:
            damaged.append(path)
        progress("Checking the backup", done, len(manifest.files))
    again = "Back up into it again, which copies them anew; where the lake is lost too, take an older backup."
    if damaged:
        raise DamagedFilesError([f"{folder / path}" for path in damaged], "nothing was restored", next_step=again)
    broken = sqlite_problems(folder / manifest.catalog)
    if broken:
        raise BackupError(f"{broken[0]}; nothing was restored.", next_step=again)
