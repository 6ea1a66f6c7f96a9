"""A training dataset as a trainer sees it: splits, features and label, read when asked for, in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fti_assets.errors import FtiError, NotFoundError, not_found
from fti_assets.file_hash import sha256_of
from fti_assets.transformations import FittedTransformations, FloatArray, fit_transformations
from fti_assets.vocabulary import SPLITS, Column, FeatureView, Model, SplitName, Transformation

BATCH_ROWS = 16_384


class TrainingDataError(FtiError):
    """A training dataset cannot be trained on."""


class TrainingData:
    """A folder with `train.parquet`, `validation.parquet`, `test.parquet` and `manifest.json`, as the feature store writes it.

    Args:
        folder: where it lies.
        view: the feature view that it was made from; says which columns are features and which is the label.
        transformations: what the model declares for its features.

    Raises:
        NotFoundError: the folder or one of its files is not there, or a split lacks a feature or the label.
        TrainingDataError: the file of a split is not the one that the manifest names, or has no row.
    """

    def __init__(self, folder: Path, view: FeatureView, transformations: Sequence[Transformation] = ()) -> None:
        self.folder = folder
        self.view = view
        self.transformations = tuple(transformations)
        self.manifest: Mapping[str, Any] = json.loads(self._file("manifest.json").read_text())
        self._compare_files()
        self._rows = {name: self._checked(name) for name in SPLITS}

    @classmethod
    def of(cls, model: Model, folder: Path) -> TrainingData:
        """The dataset in `folder` as `model` is trained on it."""
        return cls(folder, model.view, model.transformations)

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        return self.view.feature_columns

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.view.feature_names

    @property
    def label(self) -> str:
        return self.view.label_column.name

    @property
    def rows(self) -> Mapping[SplitName, int]:
        """The number of rows of each split."""
        return self._rows

    def columns(self, name: SplitName) -> list[str]:
        """The columns that the file of a split holds."""
        return list(pq.read_schema(self._file(f"{name}.parquet")).names)

    def split(self, name: SplitName, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one split, read anew by each call; with `columns` only those are read."""
        return pq.read_table(self._file(f"{name}.parquet"), columns=None if columns is None else list(columns), memory_map=True)

    def batches(self, name: SplitName, columns: Sequence[str], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows of one split in their order, at most `rows` at once: what is read is let go of with each batch."""
        with pq.ParquetFile(self._file(f"{name}.parquet"), memory_map=True) as file:
            yield from file.iter_batches(batch_size=rows, columns=list(columns))

    def fit_transformations(self) -> FittedTransformations:
        """The model's transformations, fitted on the training split, one column at a time.

        Raises:
            DefinitionError: a feature is a timestamp or a date.
        """
        return fit_transformations(
            self.transformations, self.feature_columns, lambda name: self.split("train", [name]).column(name)
        )

    def labels(self, name: SplitName) -> FloatArray:
        """The label of each row of a split, as numbers, in the order of its rows.

        Raises:
            TrainingDataError: a row has no label.
        """
        values = self.split(name, [self.label]).column(self.label)
        if values.null_count:
            raise TrainingDataError(
                f"{values.null_count:,} of {len(values):,} rows of the {name} split in {self.folder} have no label '{self.label}'.",
                next_step="Cut the training dataset again: it holds rows whose label is known, and no others.",
            )
        return np.asarray(values.cast(pa.float64()).to_numpy(), dtype=np.float64)

    def example(self, count: int = 5) -> pa.Table:
        """A few raw rows of the training split, features only; rows without a missing value where there are any."""
        first = None
        for batch in self.batches("train", self.feature_names):
            rows = pa.Table.from_batches([batch])
            chosen = rows.filter(_all_valid(rows)).slice(0, count)
            if chosen.num_rows:
                return chosen
            first = first or rows.slice(0, count)
        assert first is not None  # a split has rows
        return first

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            existing = sorted(one.name for one in self.folder.iterdir()) if self.folder.is_dir() else []
            raise not_found(
                "File", name, existing, where=f"training dataset {self.folder}", next_step="Materialise the dataset first."
            )
        return path

    def _compare_files(self) -> None:
        for name, known in self.manifest.get("sha256", {}).items():
            if sha256_of(self._file(f"{name}.parquet")) != known:
                dataset = f"{self.manifest['dataset']}/{self.manifest['id']}"
                raise TrainingDataError(
                    f"The {name} split of training dataset '{dataset}' in {self.folder} is not the file that was cut: its SHA-256"
                    " differs from the manifest's. Nothing was trained on it.",
                    next_step=f"Put it back as it was: fti datasets recreate {dataset}.",
                )

    def _checked(self, name: SplitName) -> int:
        with pq.ParquetFile(self._file(f"{name}.parquet")) as file:
            rows, existing = file.metadata.num_rows, file.schema_arrow.names
        for column in (*self.feature_names, self.label):
            if column not in existing:
                raise _missing(column, existing, f"the {name} split of {self.folder}")
        if not rows:
            raise TrainingDataError(
                f"The {name} split of {self.folder} has no row.",
                next_step="Choose other split borders, or publish the days it needs.",
            )
        return int(rows)


def _missing(column: str, existing: Sequence[str], where: str) -> NotFoundError:
    return not_found("Column", column, existing, where=where, next_step="Cut the training dataset again: its view has changed.")


def _all_valid(rows: pa.Table) -> pa.ChunkedArray:
    valid = pc.is_valid(rows.column(0))
    for column in rows.columns[1:]:
        valid = pc.and_(valid, pc.is_valid(column))
    return valid
