"""Model-dependent transformations, fitted: the one code that turns raw rows into numbers in training, batch and online."""

from fti_assets.transformations.fitted import FittedTransformations, MatrixColumn
from fti_assets.transformations.fitting import fit_transformations
from fti_assets.transformations.row_encoder import ColumnValues, RowEncoder
from fti_assets.transformations.rows import FloatArray, MatrixArray, Rows, RowsError

__all__ = [
    "ColumnValues",
    "FittedTransformations",
    "FloatArray",
    "MatrixArray",
    "MatrixColumn",
    "RowEncoder",
    "Rows",
    "RowsError",
    "fit_transformations",
]
