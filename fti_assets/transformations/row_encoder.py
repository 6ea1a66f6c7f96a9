"""Fitted transformations compiled for columns of plain Python values, as an online store gives them: no table is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fti_assets.transformations.fitted import FARTHEST, FittedCategorical, FittedNumeric, FittedTransformations
from fti_assets.transformations.rows import FloatArray, MatrixArray, RowsError

ColumnValues: TypeAlias = Sequence[Any]
"""The values of one column: int, float, bool or str, or None where one is missing."""
_Places: TypeAlias = npt.NDArray[np.intp]


class RowEncoder:
    """Turns rows into the matrix that `FittedTransformations.matrix` makes of a table of them, bit for bit.

    The values are trusted to be of the types of the features.

    Args:
        transformations: fitted on the training split.
        names: of the columns that are given, in their order; the features are looked up among them. Those of the features unless
            given.

    Raises:
        KeyError: a feature is not among the names.
    """

    def __init__(self, transformations: FittedTransformations, names: Sequence[str] | None = None) -> None:
        self._features = transformations.features
        places = {name: place for place, name in enumerate(names or [feature.name for feature in self._features])}
        self._picked = [places[feature.name] for feature in self._features]
        self._codes = [
            (place, _Codes(one.categories))
            for place, one in enumerate(transformations.fitted)
            if isinstance(one, FittedCategorical)
        ]
        self._numeric = [one if isinstance(one, FittedNumeric) else FittedNumeric() for one in transformations.fitted]
        self._columns = len(transformations.columns)
        self._compile_numbers()
        self._compile_columns(transformations)

    def matrix(self, columns: Sequence[ColumnValues]) -> MatrixArray:
        """The rows as numbers: float32, shape (rows, columns).

        Args:
            columns: for each name its values.

        Raises:
            RowsError: a value is infinite to the model.
        """
        known = self._one_row(columns) if len(columns[0]) == 1 else self._rows(columns)
        with np.errstate(over="ignore"):
            made = known.astype(np.float32)
        if np.isinf(made).any():
            self._refuse_infinite(made)
        if self._is_direct:
            return made
        return self._transformed(known)

    def _one_row(self, columns: Sequence[ColumnValues]) -> FloatArray:
        values = [columns[place][0] for place in self._picked]
        for place, codes in self._codes:
            values[place] = codes[values[place]]
        return np.array([values], dtype=np.float64)  # None becomes NaN

    def _rows(self, columns: Sequence[ColumnValues]) -> FloatArray:
        picked = [columns[place] for place in self._picked]
        for place, codes in self._codes:
            picked[place] = list(map(codes.__getitem__, picked[place]))
        return np.ascontiguousarray(np.array(picked, dtype=np.float64).T)

    def _transformed(self, known: FloatArray) -> MatrixArray:
        missing = np.isnan(known)
        values = np.where(missing, self._fill, known)
        if len(self._scaled):
            scaled = (values[:, self._scaled] - self._offset) / self._scale
            values[:, self._scaled] = np.clip(scaled, -FARTHEST, FARTHEST)
        made = np.empty((len(known), self._columns), dtype=np.float32)
        made[:, self._valued] = values[:, self._valued_features]
        made[:, self._indicators] = missing[:, self._indicated]
        made[:, self._hot] = values[:, self._hot_features] == self._hot_codes
        return made

    def _refuse_infinite(self, made: MatrixArray) -> None:
        name = self._features[int(np.argwhere(np.isinf(made))[0][1])].name
        raise RowsError(f"The rows given to the model hold infinite values in: {name}.", next_step="Give a number or null.")

    def _compile_numbers(self) -> None:
        self._fill = np.array([math.nan if one.fill is None else one.fill for one in self._numeric])
        self._scaled = np.array([n for n, one in enumerate(self._numeric) if one.offset or one.scale != 1.0], dtype=np.intp)
        self._offset = np.array([self._numeric[n].offset for n in self._scaled])
        self._scale = np.array([self._numeric[n].scale for n in self._scaled])

    def _compile_columns(self, transformations: FittedTransformations) -> None:
        """For each column of the matrix what it is made of: a value, an indicator, or the comparison with a category."""
        valued, indicated, hot = [], [], []
        for feature, (one, place) in enumerate(zip(transformations.fitted, transformations.places, strict=True)):
            if isinstance(one, FittedCategorical) and one.one_hot:
                hot += [(place.start + code, feature, code) for code in range(len(one.categories))]
                continue
            valued.append((place.start, feature))
            if isinstance(one, FittedNumeric) and one.indicator:
                indicated.append((place.start + 1, feature))
        self._valued, self._valued_features = _columns_of(valued, 2)
        self._indicators, self._indicated = _columns_of(indicated, 2)
        self._hot, self._hot_features, self._hot_codes = _columns_of(hot, 3)
        is_filled = bool((~np.isnan(self._fill)).any())
        self._is_direct = len(valued) == len(self._features) and not (indicated or is_filled or len(self._scaled))


class _Codes(dict[Any, float]):
    """The codes of categories; NaN of one that is not known, and of None."""

    def __init__(self, categories: Sequence[str]) -> None:
        super().__init__({category: float(code) for code, category in enumerate(categories)})

    def __missing__(self, _: Any) -> float:
        return math.nan


def _columns_of(pairs: Sequence[tuple[int, ...]], width: int) -> list[_Places]:
    return list(np.array(pairs, dtype=np.intp).reshape(len(pairs), width).T)
