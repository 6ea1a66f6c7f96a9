"""Training datasets cut again: from the snapshot and by the definition that their manifest names."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyarrow import parquet

from fti_assets.errors import NotFoundError
from fti_assets.feature_store.datasets import training_datasets
from fti_assets.feature_store.datasets.comparison import DatasetComparison, compare
from fti_assets.feature_store.datasets.manifest import Manifest, write_manifest
from fti_assets.feature_store.publishing.content_hash import content_digest
from fti_assets.file_hash import sha256_of

Reading = Callable[[int], AbstractContextManager[DuckDBPyConnection]]
"""Connects to the lake as it was at a snapshot."""

Files = Literal["intact", "damaged", "missing"]

RECREATED = ".recreated"
"""Folder, beside the stored versions, of what was cut again and came out otherwise. No dataset is looked for in it."""


@dataclass(frozen=True, slots=True)
class Recreation:
    """What came of cutting a dataset again.

    Attributes:
        folder: holds the dataset as it was cut again: that of the stored version when it is the same.
        manifest: of what was cut again.
        same: whether its content hash is that of the stored version.
        files: what was found of the stored version's files; those damaged or missing were put back if `same`.
        comparison: how it differs from the stored version; None when it is the same, or the stored files cannot be read.
    """

    folder: Path
    manifest: Manifest
    same: bool
    files: Files
    comparison: DatasetComparison | None = None


def recreate(reading: Reading, folder: Path, manifest: Manifest, *, code_version: str) -> Recreation:
    """Cuts a stored dataset again and compares the content hashes.

    When they are equal, the stored version stays as it is, and files of it that were lost or damaged are put back. When they
    differ, it stays too, and what was cut is beside it in `.recreated`, where it does not count as a version.

    Args:
        reading: connects to the lake at a snapshot.
        folder: of the stored version.
        manifest: of the stored version.
        code_version: of the code that cuts now.

    Raises:
        FtiError: the manifest is from before definitions were kept.
        NotFoundError: its snapshot has expired.
    """
    dataset = manifest.defined
    cutoff = date.fromisoformat(dataset.calendar.key(datetime.fromisoformat(manifest.cutoff)))
    found = state(folder, manifest)
    work = Path(tempfile.mkdtemp(prefix=".recreating-", dir=folder.parent))
    try:
        with _snapshot(reading, manifest) as connection:
            again, fresh = training_datasets.cut(connection, dataset, cutoff, work, code_version=code_version)
        if fresh.content_hash == manifest.content_hash:
            if found != "intact":
                _put_back(again, folder, replace(manifest, sha256=fresh.sha256))
            return Recreation(folder, manifest, same=True, files=found)
        comparison = compare(folder, again) if found == "intact" else None
        return Recreation(_kept(again, folder.parent / RECREATED), fresh, same=False, files=found, comparison=comparison)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _snapshot(reading: Reading, manifest: Manifest) -> Iterator[DuckDBPyConnection]:
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(reading(manifest.snapshot))
        except NotFoundError as error:
            raise NotFoundError(
                f"Training dataset '{manifest}' was cut from snapshot {manifest.snapshot}, which the lake does not have.",
                next_step="It has expired, or this is another lake: restore the one that the dataset was cut from.",
            ) from error
        yield connection


def state(folder: Path, manifest: Manifest) -> Files:
    """Reads the files of a stored dataset and says whether they hold what the manifest says."""
    files = [folder / f"{split}.parquet" for split in manifest.splits]
    if not all(file.is_file() for file in files):
        return "missing"
    if any(sha256_of(folder / f"{split}.parquet") != known for split, known in manifest.sha256.items()):
        return "damaged"
    try:
        digests = [content_digest(parquet.read_table(file)) for file in files]
    except (pa.ArrowException, OSError):
        return "damaged"
    return "intact" if hashlib.sha256(b"".join(digests)).hexdigest() == manifest.content_hash else "damaged"


def _put_back(again: Path, folder: Path, manifest: Manifest) -> None:
    for split in manifest.splits:
        (again / f"{split}.parquet").replace(folder / f"{split}.parquet")
    write_manifest(folder, manifest)  # the same content may be written in other bytes


def _kept(again: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / again.name
    shutil.rmtree(target, ignore_errors=True)
    return again.rename(target)
