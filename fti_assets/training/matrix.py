"""A training dataset as matrices on disk: transformed once, in batches, and read by trainers as often as they like.

What is read lies in the page cache, which the system gives back when memory is short: a dataset may be larger than memory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TypeVar

import numpy as np
import pyarrow as pa

from fti_assets.training.data import TrainingData, TrainingDataError
from fti_assets.training.run import TrainingRun
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray
from fti_assets.vocabulary import SplitName

T = TypeVar("T")

PIECE_ROWS = 131_072


@dataclass(frozen=True, slots=True, eq=False)
class SplitMatrix:
    """One split: the transformed features, float32 of shape (rows, columns), memory-mapped, and the label of each row."""

    values: MatrixArray
    labels: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def pieces(self, rows: int = PIECE_ROWS) -> Iterator[tuple[MatrixArray, FloatArray]]:
        """The rows in their order, at most `rows` at once."""
        for start in range(0, len(self), rows):
            yield self.values[start : start + rows], self.labels[start : start + rows]


@dataclass(frozen=True, slots=True, eq=False)
class Matrices:
    """The splits that training reads, and the transformations that made them, fitted on the first.

    Attributes:
        content_hash: of the dataset.
    """

    transformations: FittedTransformations
    splits: Mapping[SplitName, SplitMatrix]
    content_hash: str

    @property
    def train(self) -> SplitMatrix:
        return self.splits["train"]

    @property
    def validation(self) -> SplitMatrix:
        return self.splits["validation"]


@contextmanager
def matrices(data: TrainingData, run: TrainingRun) -> Iterator[Matrices]:
    """Fits the transformations and writes the training and validation splits, unless `run.workspace` has them already.

    Raises:
        TrainingDataError: a row has no label, or all training rows have the same.
        RowsError: a feature has a type that does not fit, or holds an infinite value.
    """
    if run.workspace is not None:
        yield _read(data, _kept(data, run.workspace))
        return
    with TemporaryDirectory(prefix="fti-matrices-") as folder:
        _write(data, Path(folder))
        yield _read(data, Path(folder))


_SPLITS: tuple[SplitName, ...] = ("train", "validation")
_FITTED = "transformations.json"


def _kept(data: TrainingData, workspace: Path) -> Path:
    """The folder of these data's matrices; it appears when they are complete, whoever else writes them."""
    said = [data.manifest["content_hash"], data.feature_names, [f"{one!r}" for one in data.transformations]]
    folder = workspace / hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    if not folder.is_dir():
        workspace.mkdir(parents=True, exist_ok=True)
        work = Path(mkdtemp(prefix=".writing-", dir=workspace))
        try:
            _write(data, work, keep=True)
            with suppress(OSError):  # another process was first
                work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def _write(data: TrainingData, folder: Path, *, keep: bool = False) -> None:
    """Writes the matrices; those that are kept are on the disk when it returns."""
    _require_two_classes(data)
    transformations = data.fit_transformations()
    for name in _SPLITS:
        shape = (data.rows[name], len(transformations.columns))
        mapped = np.memmap(folder / f"{name}.f32", dtype=np.float32, mode="w+", shape=shape)
        values, start = np.asarray(mapped), 0
        for batch in read_ahead(data.batches(name, data.feature_names)):
            transformations.matrix(batch, into=values[start : start + batch.num_rows])
            start += batch.num_rows
        if keep:
            mapped.flush()
    (folder / _FITTED).write_text(json.dumps(transformations.as_data()))
    pa.default_memory_pool().release_unused()  # what the reading of the files needed is not kept while a model is fitted


def read_ahead(batches: Iterator[T]) -> Iterator[T]:
    """The batches; while one is worked on, the next is read, by another thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="read ahead") as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _require_two_classes(data: TrainingData) -> None:
    """Refuses, before anything is written, rows without a label, and training rows that all have the same."""
    for name in _SPLITS:
        labels = data.labels(name)
        if name == "train" and (labels == labels[0]).all():
            raise TrainingDataError(
                f"All {len(labels):,} rows of the train split in {data.folder} have the label {labels[0]:g}.",
                next_step="Cut the dataset over days on which both happened.",
            )


def _read(data: TrainingData, folder: Path) -> Matrices:
    transformations = FittedTransformations.from_data(json.loads((folder / _FITTED).read_text()))
    columns = len(transformations.columns)
    # Mode "c": what is changed stays in memory. Some libraries take no array that cannot be written to, and write nothing.
    splits = {
        name: SplitMatrix(
            np.memmap(folder / f"{name}.f32", dtype=np.float32, mode="c", shape=(data.rows[name], columns)), data.labels(name)
        )
        for name in _SPLITS
    }
    return Matrices(transformations, splits, data.manifest["content_hash"])
