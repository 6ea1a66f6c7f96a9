"""Values of a request against the types of the contract: each becomes what the online store reads, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

from fti_assets.vocabulary import Column, ColumnType

Check: TypeAlias = Callable[[Any], Any]

LONGEST_TEXT = 10_000
LARGEST_FLOAT = 3.4028234663852886e38
"""Of float32, in which models compute: what is larger is infinite to them."""
LARGEST_INT = 2**63 - 1

EXPECTED: Mapping[ColumnType, str] = {
    "float": "a number",
    "int": "a whole number of 64 bits",
    "bool": "true or false",
    "string": "a text",
    "timestamp": "a time with its zone, as 2013-06-01T15:00:00Z",
    "date": "a day, as 2013-06-01",
}


class WrongValueError(ValueError):
    """A value that a column cannot take; the text says what it is."""


def check_of(column: Column) -> Check:
    """What turns a value as JSON has it into the column's; None, for what is not known, passes.

    Times become datetimes in UTC, dates `date`. A whole number is a number too, a truth value is none.
    """
    return _CHECKS[column.type]


def are_typed(column: Column, values: Sequence[Any]) -> bool:
    """Whether the check of the column would give each of some values back as it is. A false answer may be wrong."""
    fit = _FITS.get(column.type)
    return fit is not None and fit(values)


def shown(value: object) -> str:
    """A value as an error shows it: short, and by its name in JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value) if isinstance(value, (int, float)) else f"'{value}'"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _float(value: Any) -> float | None:
    kind = type(value)
    if kind is float or kind is int:
        if -LARGEST_FLOAT <= value <= LARGEST_FLOAT:
            return float(value)
        if value != value:
            raise WrongValueError("NaN is no number")
        raise WrongValueError(f"{shown(value)} is larger than a model can read (3.4e38)")
    if value is None:
        return None
    raise WrongValueError(f"{shown(value)} is no number")


def _int(value: Any) -> int | None:
    if type(value) is int:
        if -LARGEST_INT - 1 <= value <= LARGEST_INT:
            return value
        raise WrongValueError(f"{shown(value)} does not fit into 64 bits")
    if value is None:
        return None
    # JSON does not tell 2.0 from 2. What does not fit into 64 bits is read as a number with a fraction, and is none.
    if type(value) is float and value.is_integer() and -LARGEST_INT <= value < LARGEST_INT:
        return int(value)
    raise WrongValueError(f"{shown(value)} is no whole number{' of 64 bits' if type(value) is float else ''}")


def _bool(value: Any) -> bool | None:
    if value is True or value is False or value is None:
        return value
    raise WrongValueError(f"{shown(value)} is neither true nor false")


def _string(value: Any) -> str | None:
    if type(value) is str:
        if len(value) <= LONGEST_TEXT:
            return value
        raise WrongValueError(f"a text of {len(value):,} characters is longer than {LONGEST_TEXT:,}")
    if value is None:
        return None
    raise WrongValueError(f"{shown(value)} is no text")


def _timestamp(value: Any) -> datetime | None:
    if value is None:
        return None
    if type(value) is not str:
        raise WrongValueError(f"{shown(value)} is no time")
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise WrongValueError(f"{shown(value)} is a time without a zone")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, WrongValueError):
            raise
        raise WrongValueError(f"{shown(value)} is no time") from error


def _date(value: Any) -> date | None:
    if value is None:
        return None
    if type(value) is str and len(value) == len("2013-06-01"):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise WrongValueError(f"{shown(value)} is no day")


def _floats_fit(values: Sequence[Any]) -> bool:
    if set(map(type, values)) != {float}:
        return False
    total = sum(values)  # NaN where one of them is
    return bool(total == total and min(values) >= -LARGEST_FLOAT and max(values) <= LARGEST_FLOAT)


def _ints_fit(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {int} and min(values) >= -LARGEST_INT - 1 and max(values) <= LARGEST_INT


def _texts_fit(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {str} and max(map(len, values)) <= LONGEST_TEXT


def _truths_fit(values: Sequence[Any]) -> bool:
    return set(map(type, values)) == {bool}


_FITS: Mapping[ColumnType, Callable[[Sequence[Any]], bool]] = {
    "float": _floats_fit,
    "int": _ints_fit,
    "bool": _truths_fit,
    "string": _texts_fit,
}
_CHECKS: Mapping[ColumnType, Check] = {
    "float": _float,
    "int": _int,
    "bool": _bool,
    "string": _string,
    "timestamp": _timestamp,
    "date": _date,
}
