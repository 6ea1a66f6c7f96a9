"""Lines of an inference log as rows of its table; what is not a line of that log is told with the reason.

A line is an object in JSON, and holds the rows of one answer by columns: `model`, `logged_at` and `latency_us` are of all of them,
everything else is a list with a value for each row; `keys` and `features` are objects of such lists.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa

from fti_assets.vocabulary import Column, ColumnType, Table
from fti_assets.vocabulary.inference_log import ROLES

ARROW: dict[ColumnType, pa.DataType] = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
_REQUIRED = ("request_id", "logged_at", "request_time", "role", "model_version", "view_version", "prediction", "keys", "features")
_OF_ALL = ("logged_at", "latency_us")
_NONE: Mapping[str, Any] = {"given": [], "missing": []}
_INT_END = 1 << 63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MalformedLineError(ValueError):
    """A line is not one of this log; what it says is the reason."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that cannot be landed.

    Attributes:
        number: of the line in its segment, from 1 on.
    """

    number: int
    reason: str
    text: str


def schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table of the lake."""
    return pa.schema([(column.name, ARROW[column.type]) for column in table.columns])


def parse(lines: Iterable[tuple[int, bytes]], table: Table, model: str) -> tuple[pa.Table, list[Malformed]]:
    """Numbered lines of the log of a model as rows of its table, and the lines that are none."""
    columns: dict[str, list[Any]] = {column.name: [] for column in table.columns}
    read = {column.name: _reader(column) for column in table.columns}
    malformed = []
    for number, line in lines:
        try:
            found = _rows(line, read, model)
        except MalformedLineError as error:
            malformed.append(Malformed(number, str(error), line.decode(errors="replace")))
            continue
        for name, values in found.items():
            columns[name] += values
    kinds = schema(table)
    return pa.table([pa.array(columns[kind.name], kind.type) for kind in kinds], schema=kinds), malformed


def _rows(line: bytes, read: Mapping[str, Callable[[Any], Any]], model: str) -> dict[str, list[Any]]:
    """The rows of a line, by columns."""
    said = _object(line)
    if said.get("model") != model:
        raise MalformedLineError(f"It is of model {_short(said.get('model'))}, not of '{model}'.")
    lacking = [name for name in _REQUIRED if _lacks(said.get(name))]
    if lacking:
        raise MalformedLineError(f"It lacks {', '.join(lacking)}.")
    rows = len(_list(said, "request_id"))
    flat = {**_mapping(said, "features"), **_mapping(said, "keys"), **said}
    found = {}
    for name, convert in read.items():
        if name in _OF_ALL:
            found[name] = _converted(name, [flat.get(name)], convert) * rows
        elif flat.get(name) is None:
            found[name] = _converted(name, [_NONE.get(name)], convert) * rows
        else:
            found[name] = _converted(name, _list(flat, name, rows), convert)
    return found


def _lacks(value: Any) -> bool:
    return value is None or (type(value) is list and None in value)


def _list(said: Mapping[str, Any], name: str, rows: int | None = None) -> list[Any]:
    values = said[name]
    if type(values) is not list or (rows is not None and len(values) != rows):
        count = "" if rows is None else f" of {rows}"
        raise MalformedLineError(f"'{name}' is {_short(values)}, not a list{count}.")
    return values


def _converted(name: str, values: list[Any], convert: Callable[[Any], Any]) -> list[Any]:
    found, value = [], None
    try:
        for value in values:
            found.append(None if value is None else convert(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedLineError(f"'{name}' is {_short(value)}: {error}.") from error
    return found


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedLineError(f"It is no JSON: {error}.") from error
    if not isinstance(said, dict):
        raise MalformedLineError(f"It is not an object but {_short(said)}.")
    return said


def _mapping(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = said[name]
    if not isinstance(value, dict):
        raise MalformedLineError(f"'{name}' is {_short(value)}, not an object.")
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _reader(column: Column) -> Callable[[Any], Any]:
    by_name: Mapping[str, Callable[[Any], Any]] = {
        "request_id": _name,
        "role": _role,
        "prediction": _finite,
        "given": _names,
        "missing": _names,
    }
    return by_name.get(column.name, _BY_TYPE[column.type])


def _float(value: Any) -> float | None:
    if type(value) is int:
        return float(value)
    if type(value) is not float:
        raise TypeError("it is to be a number")
    return value if value == value else None  # NaN is null


def _finite(value: Any) -> float:
    found = _float(value)
    if found is None or not math.isfinite(found):
        raise ValueError("it is to be a finite number")
    return found


def _int(value: Any) -> int | None:
    if type(value) is int and -_INT_END <= value < _INT_END:
        return value
    if type(value) is float and value != value:
        return None
    if type(value) is not float or not value.is_integer() or abs(value) >= _INT_END:
        raise TypeError("it is to be a whole number of 64 bits")
    return int(value)


def _bool(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    if type(value) is float and value != value:
        return None
    if value not in (0, 1):
        raise TypeError("it is to be true or false")
    return bool(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is to be a text")
    value.encode()  # half of a surrogate pair is no text
    return value


def _name(value: Any) -> str:
    if not _string(value):
        raise ValueError("it is to be a text that is not empty")
    return str(value)


def _role(value: Any) -> str:
    if value not in ROLES:
        raise ValueError(f"it is to be one of {', '.join(ROLES)}")
    return str(value)


def _names(value: Any) -> str:
    if type(value) is not list or not all(type(one) is str for one in value):
        raise TypeError("it is to be a list of names")
    return _as_json(tuple(value))


@lru_cache(1000)
def _as_json(names: tuple[str, ...]) -> str:
    return json.dumps(names)


def _instant(value: Any) -> datetime:
    if isinstance(value, int) and not isinstance(value, bool):
        return _EPOCH + timedelta(microseconds=value)
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


_BY_TYPE: Mapping[ColumnType, Callable[[Any], Any]] = {
    "float": _float,
    "int": _int,
    "bool": _bool,
    "string": _string,
    "timestamp": _instant,
    "date": date.fromisoformat,
}
