"""Rows on which the quick way of predicting is held against the plain one: the model as it was registered, on a table."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from fti_assets.predictive_models import PredictiveModel
from fti_assets.transformations import ColumnValues, FloatArray
from fti_assets.transformations.fitted import Fitted, FittedCategorical
from fti_assets.vocabulary import Column

RowValues: TypeAlias = Sequence[Any]
"""The values of one row: int, float, bool or str, or None where one is missing."""
TOLERANCE = 1e-6
"""How far apart the two may be."""
ROWS = 64
UNKNOWN = "no category has this name"
_ARROW = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


def check_rows(model: PredictiveModel, example: pa.Table | None, *, count: int = ROWS) -> list[list[Any]]:
    """Rows of values of the model's features: mixtures of what the example holds, of made-up values, and of nothing.

    The same model and example give the same rows.
    """
    chance = random.Random(count)  # noqa: S311 - nothing is kept secret by it
    made = model.transformations
    seen = [_seen(example, feature) for feature in made.features]
    columns = [
        [_value(chance, feature, one, known) for _ in range(count)]
        for feature, one, known in zip(made.features, made.fitted, seen, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def plain_predictions(model: PredictiveModel, rows: Sequence[RowValues]) -> FloatArray:
    """What the model predicts for the rows as a table: the way of training and batch."""
    return model.predict(as_table(model.transformations.features, rows))


def as_columns(rows: Sequence[RowValues], features: Sequence[str], names: Sequence[str]) -> list[ColumnValues]:
    """Rows of the values of some features as columns by names; of names that are no features all is missing."""
    columns = dict(zip(features, zip(*rows, strict=True), strict=True))
    return [columns.get(name, (None,) * len(rows)) for name in names]


def as_table(features: Sequence[Column], rows: Sequence[RowValues]) -> pa.Table:
    """Rows of plain values as a table with the types of the features."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in features)
    arrays = [pa.array(list(values), _ARROW[feature.type]) for feature, values in zip(features, columns, strict=True)]
    return pa.table(arrays, names=[feature.name for feature in features])


def furthest(found: FloatArray, expected: Sequence[float]) -> float:
    """The largest distance of two lists of predictions; infinite where one of them is no number."""
    distances = np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64))
    return float(np.nan_to_num(distances, nan=np.inf).max(initial=0.0))


def _seen(example: pa.Table | None, feature: Column) -> list[Any]:
    if example is None or feature.name not in example.column_names:
        return []
    return [value for value in example[feature.name].to_pylist() if value is not None]


def _value(chance: random.Random, feature: Column, one: Fitted, seen: Sequence[Any]) -> Any:
    kind = chance.random()
    if kind < 0.15:
        return None
    if seen and kind < 0.5:
        return _typed(chance.choice(seen), feature)
    if isinstance(one, FittedCategorical):
        return chance.choice([*one.categories, UNKNOWN])
    if feature.type == "bool":
        return chance.random() < 0.5
    # Around what was seen, and where that is nothing at every order of magnitude that features have.
    middle = float(chance.choice(seen)) if seen else 0.0
    spread = max(abs(middle), 1.0) if kind < 0.9 else 10.0 ** chance.randint(0, 6)
    made = chance.gauss(middle, spread)
    return round(made) if feature.type == "int" else made


def _typed(value: Any, feature: Column) -> Any:
    kinds = {"float": float, "int": int, "bool": bool, "string": str}
    return kinds[feature.type](value)
