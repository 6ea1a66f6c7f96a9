"""Columns as numpy arrays, as on-demand transformations read and give them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.table import ColumnType

Array = np.ndarray[Any, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = -(2**63)
_WHOLE = 2.0**53
"""Whole numbers up to here are exact as floats."""
_FEW = 8


def as_array(values: Sequence[Any], kind: ColumnType) -> Array:
    """Plain values as an array; None is a null.

    float64 with NaN for float, int and bool, object with None for string, datetime64[us] with NaT for timestamp, datetime64[D] for
    date. A timestamp is a datetime, in UTC where it has no zone, or microseconds since 1970. The array cannot be written to.
    """
    if kind == "string":
        array = np.empty(len(values), dtype=object)
        array[:] = values
    elif kind == "timestamp":
        array = np.array([_instant(value) for value in values], "int64").view("datetime64[us]")
    else:
        array = np.array(values, "datetime64[D]" if kind == "date" else "float64")
    array.setflags(write=False)
    return array


def as_values(array: Array, kind: ColumnType) -> list[Any]:
    """The values of an array of numbers, booleans or texts as plain ones; a null is None."""
    values: list[Any] = array.tolist()
    if kind == "string":
        return values
    plain = {"int": int, "bool": bool}.get(kind, float)
    return [plain(value) if value == value else None for value in values]


def result_of(function: Callable[..., Any], given: Sequence[Array], rows: int, kind: ColumnType) -> Array:
    """What a function gives for some rows, checked, in the form of `as_array`; numbers that are not finite are nulls.

    Raises:
        DefinitionError: it is not one value of that kind for each row.
    """
    with np.errstate(all="ignore"):  # what is divided by nothing is null
        found = function(*given)
    if not isinstance(found, np.ndarray) or found.shape != (rows,):
        what = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a value of type {type(found).__name__}"
        raise DefinitionError(f"it gives {what} for {rows} rows.", next_step=f"Return an array of shape ({rows},).")
    return _texts(found) if kind == "string" else _numbers(found, kind)


def _instant(value: datetime | int | None) -> int:
    if value is None:
        return _NO_TIME
    if isinstance(value, datetime):
        return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    return value


def _texts(found: Array) -> Array:
    if found.dtype.kind in "UT":
        found = found.astype(object)
    if found.dtype.kind != "O":
        raise _wrong(found, "text", "Return an array of texts, with None for a null.")
    for value in found:
        if value is not None and type(value) is not str:  # text of numpy's own type is not what JSON and Arrow take
            step = "Return an array of texts of type str, with None for a null."
            raise DefinitionError(f"it gives {value!r} of type {type(value).__name__}.", next_step=step)
    return found


def _numbers(found: Array, kind: ColumnType) -> Array:
    if found.dtype.kind not in "fiub":
        raise _wrong(
            found, kind, "Return an array of numbers, with NaN for a null; a span of time divided by np.timedelta64(1, 's')."
        )
    numbers = found.astype(np.float64, copy=False)
    if _all_finite(numbers):
        finite, known = None, numbers
    else:
        finite = np.isfinite(numbers)
        known = numbers[finite]
    if kind != "float":
        _check_whole(known, kind)
    return numbers if finite is None else np.where(finite, numbers, np.nan)


def _all_finite(numbers: Array) -> bool:
    if len(numbers) < _FEW:
        return all(map(math.isfinite, numbers.tolist()))  # a sixth of the time of numpy's way for one row
    return bool(np.isfinite(numbers).all())


def _check_whole(known: Array, kind: ColumnType) -> None:
    right = (known == 0) | (known == 1) if kind == "bool" else (known == np.floor(known)) & (np.abs(known) <= _WHOLE)
    if not right.all():
        step = "Round it." if kind == "int" else "Compare, or return 0, 1 and NaN."
        raise DefinitionError(f"it gives {float(known[~right][0])!r}, which is no {kind}.", next_step=step)


def _wrong(found: Array, kind: str, step: str) -> DefinitionError:
    return DefinitionError(f"it gives an array of {found.dtype}, not of {kind}.", next_step=step)
