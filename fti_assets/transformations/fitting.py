"""Learns transformations, one column at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.transformations.fitted import Fitted, FittedCategorical, FittedNumeric, FittedTransformations
from fti_assets.transformations.rows import FloatArray, numbers, texts
from fti_assets.vocabulary import Categorical, Column, Numeric, Transformation, transformation_of

ReadColumn = Callable[[str], "pa.ChunkedArray"]


def fit_transformations(declared: Sequence[Transformation], features: Sequence[Column], read: ReadColumn) -> FittedTransformations:
    """Fits what a model declares on the training split.

    Args:
        declared: the model's transformations; features that none is for get the default of their kind.
        features: the features of the view, in its order.
        read: gives the values of one feature on the training split; give it no other split's.

    Raises:
        DefinitionError: a feature is a timestamp or a date.
        RowsError: a column has a type that does not fit, or holds an infinite value.
    """
    fitted = []
    for feature in features:
        one = transformation_of(declared, feature)
        values: Any = read(feature.name) if _learns(one) else None
        fitted.append(_categorical(one, values, feature) if isinstance(one, Categorical) else _numeric(one, values, feature))
    return FittedTransformations(tuple(Column(feature.name, feature.type) for feature in features), tuple(fitted))


def _learns(one: Transformation) -> bool:
    return isinstance(one, Categorical) or one.scale is not None or isinstance(one.impute, str)


def _categorical(one: Categorical, values: pa.ChunkedArray, feature: Column) -> Fitted:
    counts = pc.value_counts(texts(values, feature.name).drop_null())
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    kept = sorted(value for value, count in pairs if count >= one.minimum_rows)
    return FittedCategorical(categories=tuple(kept), one_hot=one.encode == "one_hot")


def _numeric(one: Numeric, values: pa.ChunkedArray | None, feature: Column) -> Fitted:
    if values is None:
        return FittedNumeric(fill=None if one.impute is None else float(one.impute), indicator=one.indicator)
    array = numbers(values, feature)
    known = array[~np.isnan(array)]
    if not len(known):  # nothing to learn from: what comes later is taken as it is
        fill = None if one.impute is None else (0.0 if isinstance(one.impute, str) else float(one.impute))
        return FittedNumeric(fill=fill, indicator=one.indicator)
    offset, scale = _scale(one, known)
    return FittedNumeric(fill=_fill(one, known), indicator=one.indicator, offset=offset, scale=scale)


def _fill(one: Numeric, known: FloatArray) -> float | None:
    if one.impute == "mean":
        return float(known.mean())
    if one.impute == "median":
        return float(np.median(known))
    return None if one.impute is None else float(one.impute)


def _scale(one: Numeric, known: FloatArray) -> tuple[float, float]:
    if one.scale is None:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low == high:  # constant: the mean would be off by a rounding, and a deviation of 1e-17 is none
        return low, 1.0
    if one.scale == "min_max":
        return low, high - low
    if one.scale == "robust":
        quarter, middle, three_quarters = (float(value) for value in np.quantile(known, (0.25, 0.5, 0.75)))
        # More than half of the values may be equal: then the deviation says how far the others lie.
        return middle, three_quarters - quarter or float(known.std())
    return float(known.mean()), float(known.std())
