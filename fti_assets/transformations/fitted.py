"""What was learnt of each feature on the training split, and how it is applied: raw rows in, one matrix of float32 out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.transformations.rows import MatrixArray, Rows, features_of, numbers, texts
from fti_assets.vocabulary import Column


@dataclass(frozen=True, slots=True)
class MatrixColumn:
    """A column of the matrix.

    Attributes:
        categories: what the codes of a column of categories mean; None for numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNumeric:
    """`(value - offset) / scale`, a missing value replaced by `fill` before; see `fti_assets.vocabulary.Numeric`."""

    fill: float | None = None
    indicator: bool = False
    offset: float = 0.0
    scale: float = 1.0

    def columns(self, name: str) -> list[MatrixColumn]:
        return [MatrixColumn(name), *([MatrixColumn(f"{name}_missing")] if self.indicator else [])]

    def write(self, values: pa.Array | pa.ChunkedArray, feature: Column, into: MatrixArray) -> None:
        array = numbers(values, feature)
        if self.indicator:
            into[:, 1] = np.isnan(array)
        if self.fill is not None:
            array = np.where(np.isnan(array), self.fill, array)
        if self.offset or self.scale != 1.0:
            # A value far from all that training had must not become infinite.
            array = np.clip((array - self.offset) / self.scale, -FARTHEST, FARTHEST)
        into[:, 0] = array


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCategorical:
    """The sorted categories of the training split; see `fti_assets.vocabulary.Categorical`."""

    categories: tuple[str, ...]
    one_hot: bool = False

    def columns(self, name: str) -> list[MatrixColumn]:
        if self.one_hot:
            return [MatrixColumn(f"{name}={category}") for category in self.categories]
        return [MatrixColumn(name, self.categories)]

    def write(self, values: pa.Array | pa.ChunkedArray, feature: Column, into: MatrixArray) -> None:
        codes = pc.index_in(texts(values, feature.name), value_set=pa.array(self.categories, pa.string()), skip_nulls=True)
        floats = codes.cast(pa.float32())
        array = floats.to_numpy(zero_copy_only=False) if isinstance(floats, pa.Array) else floats.to_numpy()
        if self.one_hot:
            into[:] = array[:, None] == np.arange(len(self.categories), dtype=np.float32)
        else:
            into[:, 0] = array


FARTHEST = 1e30
"""Where scaled values end: far beyond what means anything, well inside of what float32 holds."""
Fitted = FittedNumeric | FittedCategorical
_KINDS: Mapping[str, type[Fitted]] = {"numeric": FittedNumeric, "categorical": FittedCategorical}


@dataclass(frozen=True)
class FittedTransformations:
    """The transformations of all features of a model, in the order of its view.

    A category that the training split did not have, and a value that is missing, are NaN in a column of codes and 0 in all
    one-hot columns; a missing number is the fitted fill, or NaN where none was declared; a missing column is an error.
    """

    features: tuple[Column, ...]
    fitted: tuple[Fitted, ...]

    @cached_property
    def columns(self) -> tuple[MatrixColumn, ...]:
        """The columns of the matrix."""
        pairs = zip(self.features, self.fitted, strict=True)
        return tuple(column for feature, one in pairs for column in one.columns(feature.name))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """For each feature the columns of the matrix that come of it."""
        widths = np.cumsum([0, *(len(one.columns(feature.name)) for feature, one in zip(self.features, self.fitted, strict=True))])
        return tuple(slice(int(start), int(end)) for start, end in itertools.pairwise(widths))

    def matrix(self, rows: Rows, into: MatrixArray | None = None) -> MatrixArray:
        """The rows as numbers: float32, one row for each row, shape (rows, columns).

        Args:
            rows: raw rows with at least the features.
            into: array of that shape that is filled and returned; a new one unless given.

        Raises:
            RowsError: a feature is missing, has a type that does not fit, or holds an infinite value.
        """
        table = features_of(rows, self.features)
        matrix = np.empty((table.num_rows, len(self.columns)), dtype=np.float32) if into is None else into
        for position, (feature, one, place) in enumerate(zip(self.features, self.fitted, self.places, strict=True)):
            one.write(table.column(position), feature, matrix[:, place])
        return matrix

    def as_data(self) -> list[dict[str, Any]]:
        """As values that JSON can hold; `from_data` makes an equal one of them."""
        return [
            {"name": feature.name, "type": feature.type, "kind": _kind(one), **asdict(one)}
            for feature, one in zip(self.features, self.fitted, strict=True)
        ]

    @classmethod
    def from_data(cls, data: Sequence[Mapping[str, Any]]) -> FittedTransformations:
        """What `as_data` wrote."""
        features, fitted = [], []
        for one in data:
            said: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in one.items()}
            features.append(Column(said.pop("name"), said.pop("type")))
            fitted.append(_KINDS[said.pop("kind")](**said))
        return cls(tuple(features), tuple(fitted))


def _kind(one: Fitted) -> str:
    return next(name for name, kind in _KINDS.items() if isinstance(one, kind))
