"""What every model offers, whatever framework fitted it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, Rows


class PredictiveModel(Protocol):
    """A fitted model: raw rows in, one number for each row out, saved as one file without pickle."""

    @property
    def transformations(self) -> FittedTransformations:
        """What turns raw rows into what the framework reads; saved inside the model's file."""
        ...

    @property
    def label(self) -> str:
        """Name of what is predicted."""
        ...

    def predict(self, rows: Rows) -> FloatArray:
        """The probability of the label for each row, in the order of the rows; a row's value depends on that row alone.

        Raises:
            RowsError: a feature is missing, has a type that does not fit, or holds an infinite value.
        """
        ...

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        ...

    def save(self, folder: Path) -> Path:
        """Writes one file into `folder` and returns its path."""
        ...
