"""Rows as they are given to a model, and their columns as numbers or as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.errors import FtiError, not_found
from fti_assets.vocabulary import Column

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = "pa.Table | pa.RecordBatch | pd.DataFrame"
FloatArray: TypeAlias = npt.NDArray[np.float64]
MatrixArray: TypeAlias = npt.NDArray[np.float32]


class RowsError(FtiError):
    """Rows given to a model do not fit its features."""


def features_of(rows: Rows, features: Sequence[Column]) -> pa.Table | pa.RecordBatch:
    """The columns of the features, in their order, whatever else the rows hold.

    Raises:
        RowsError: a feature is missing, or a pandas column holds values of several types.
    """
    names = [feature.name for feature in features]
    existing = list(rows.schema.names if isinstance(rows, (pa.Table, pa.RecordBatch)) else rows.columns)
    for name in names:
        if name not in existing:
            raise RowsError(str(not_found("Feature", name, map(str, existing), where="the rows given to the model")))
        if existing.count(name) > 1:
            raise RowsError(f"The rows given to the model have the feature '{name}' {existing.count(name)} times.")
    if isinstance(rows, (pa.Table, pa.RecordBatch)):
        return rows.select(names)
    try:
        return pa.Table.from_pandas(rows[names], preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise RowsError(f"The rows given to the model hold a column that has no one type: {error}") from error


def texts(values: pa.Array | pa.ChunkedArray, name: str) -> pa.Array | pa.ChunkedArray:
    """A column of categories as text.

    Raises:
        RowsError: it holds something else.
    """
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not _is_text(kind) and _is_missing(values):  # pandas writes missing texts as NaN, a number
        return pa.nulls(len(values), pa.string())
    if not _is_text(kind):
        raise RowsError(f"Feature '{name}' is a string to the model, but the rows give {kind}.", next_step="Give it as text.")
    return values.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(test(kind) for test in tests)


def _is_missing(values: pa.Array | pa.ChunkedArray) -> bool:
    """Whether every value is null or NaN."""
    return bool(pa.types.is_floating(values.type) and pc.all(pc.is_null(values, nan_is_null=True)).as_py() is not False)


def numbers(values: pa.Array | pa.ChunkedArray, feature: Column) -> FloatArray:
    """A column of numbers or truth values, NaN where it is missing.

    Raises:
        RowsError: it holds something else, or an infinite value.
    """
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise RowsError(
            f"Feature '{feature.name}' is a number ({feature.type}) to the model, but the rows give {kind}.",
            next_step="Give it as a number or a truth value.",
        )
    flat = values.cast(pa.float64(), safe=False)
    array = np.asarray(flat.to_numpy(zero_copy_only=False) if isinstance(flat, pa.Array) else flat.to_numpy(), dtype=np.float64)
    with np.errstate(over="ignore"):
        infinite = np.isinf(array.astype(np.float32))  # what float32 cannot hold is infinite to the model
    if infinite.any():
        raise RowsError(f"The rows given to the model hold infinite values in: {feature.name}.", next_step="Give a number or null.")
    return array
