"""Events as they are sent: one JSON object each with the columns of a feature group, held against its contract."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from fti_assets.errors import DefinitionError, not_found
from fti_assets.online_store.keys import days, instant, microseconds
from fti_assets.vocabulary import Column, Expectation, FeatureGroup

Row = dict[str, Any]
"""The values of an event by name; times are microseconds and dates days since 1970."""
AHEAD = timedelta(minutes=5)
"""How far an event time may lie in the future: clocks differ."""
LONGEST_LINE = 1 << 16
_SHOWN = 60


class Refused(NamedTuple):
    """An event that is not taken.

    Attributes:
        line: its place in what was sent, from 1.
        reason: what is wrong, where, and what is expected.
        data: the event as it was sent.
    """

    line: int
    reason: str
    data: bytes


class _RefusedError(Exception):
    """Why an event is not taken."""


@dataclass(frozen=True, slots=True)
class EventReader:
    """Reads the events of one group.

    Attributes:
        group: whose rows they are.
        clock: the present, in microseconds.
        ahead: how far an event time may lie in the future.
    """

    group: FeatureGroup
    clock: Callable[[], int]
    ahead: timedelta
    _readers: Mapping[str, tuple[Callable[[Any], Any], bool]]
    _needed: tuple[str, ...]
    _checks: tuple[tuple[str, Callable[[Any], bool], str], ...]
    _calendar: tuple[str, int, int | None] | None

    @staticmethod
    def of(group: FeatureGroup, clock: Callable[[], int], ahead: timedelta = AHEAD) -> EventReader:
        """A reader of events of a group.

        Raises:
            DefinitionError: the group is static: its rows are no events.
        """
        if group.event_time is None:
            raise DefinitionError(f"Group '{group.versioned_name}' is static, so it has no events.")
        needed = tuple(dict.fromkeys((*group.table.key, *([group.table.time] if group.table.time else []))))
        readers = {column.name: (_READERS[column.type], column.name in needed) for column in group.table.columns}
        checks = tuple(check for one in group.contract.expectations if (check := _check_of(one, group)))
        return EventReader(group, clock, ahead, readers, needed, checks, _calendar_of(group))

    def read(self, lines: Sequence[bytes]) -> tuple[list[Row], list[Refused]]:
        """The events of some lines, and those that are refused; empty lines are passed over."""
        rows, refused, latest = [], [], self.clock() + self.ahead // timedelta(microseconds=1)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(self._row(line, latest))
            except _RefusedError as error:
                refused.append(Refused(number, str(error), line[:LONGEST_LINE]))
        return rows, refused

    def _row(self, line: bytes, latest: int) -> Row:
        said = _object(line)
        for name in self._needed:
            if said.get(name) is None:
                raise _RefusedError(f"'{name}' is {'null' if name in said else 'missing'}; an event is told by it.")
        row: Row = dict.fromkeys(self._readers)
        for name, value in said.items():
            if name not in self._readers:
                raise _RefusedError(str(not_found("Column", name, self._readers, where=f"'{self.group.versioned_name}'")))
            if value is not None:
                row[name] = self._value(name, value)
        self._check(row, latest)
        return row

    def _value(self, name: str, value: Any) -> Any:
        try:
            return self._readers[name][0](value)
        except _RefusedError as error:
            raise _RefusedError(f"'{name}' is {_shown(value)}; expected is {error}.") from None

    def _check(self, row: Row, latest: int) -> None:
        time = row[self.group.event_time or ""]
        if time > latest:
            ahead = instant(latest).isoformat(timespec="seconds")
            raise _RefusedError(f"'{self.group.event_time}' lies in the future: expected is {ahead} at the latest.")
        if self._calendar is not None:
            name, start, end = self._calendar
            if row[name] < start or (end is not None and row[name] >= end):
                until = f" and before {instant(end).isoformat()}" if end is not None else ""
                raise _RefusedError(
                    f"'{name}' lies outside the calendar: expected is {instant(start).isoformat()} or later{until}."
                )
        for name, holds, sentence in self._checks:
            if not holds(row[name]):
                raise _RefusedError(f"'{name}' is {_shown(row[name])}; expected is that {sentence}.")


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise _RefusedError(f"The line has {len(line):,} bytes; expected are {LONGEST_LINE:,} at most.")
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _RefusedError(f"The line is no JSON: {error}. Expected is an object with the columns of the group.") from None
    if not isinstance(said, dict):
        raise _RefusedError(f"The line is {_shown(said)}; expected is an object with the columns of the group.")
    return said


def _shown(value: Any) -> str:
    text = str(value) if type(value) is int else orjson.dumps(value, default=str).decode()  # orjson takes 64 bits
    kinds = {bool: "a truth value", str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "an object"}
    kind = kinds.get(type(value))
    return f"{text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}{f' ({kind})' if kind else ''}"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _RefusedError("a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number != value:
        raise _RefusedError("a number that 64 bits can hold")
    return number


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusedError("a whole number")
    if not -(1 << 63) <= value < 1 << 63:
        raise _RefusedError("a whole number of 64 bits")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _RefusedError("true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _RefusedError("a text")
    return value


def _timestamp(value: Any) -> int:
    what = "a time with its zone, such as 2013-01-31T17:05:00Z"
    if not isinstance(value, str):
        raise _RefusedError(what)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise _RefusedError(what) from None
    if found.tzinfo is None:
        raise _RefusedError(what)
    try:
        return microseconds(found.astimezone(UTC))
    except OverflowError:  # before year 1 or after year 9999 in UTC
        raise _RefusedError(what) from None


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _date(value: Any) -> int:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise _RefusedError("a day, such as 2013-01-31")
    try:
        return days(date.fromisoformat(value))
    except ValueError:
        raise _RefusedError("a day of the calendar, such as 2013-01-31") from None


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "float": _number,
    "int": _whole,
    "bool": _truth,
    "string": _text,
    "timestamp": _timestamp,
    "date": _date,
}


def _calendar_of(group: FeatureGroup) -> tuple[str, int, int | None] | None:
    """The column that decides the partition of a row, and between which times it has to be."""
    cadence, time = group.cadence, group.table.time
    if cadence is None or time is None:
        return None
    start = microseconds(cadence.midnight(cadence.day(cadence.start)))
    return time, start, None if cadence.end is None else microseconds(cadence.midnight(cadence.day(cadence.end)))


def _check_of(expectation: Expectation, group: FeatureGroup) -> tuple[str, Callable[[Any], bool], str] | None:
    """A critical expectation that each row has to satisfy, as a check of one value; None where it is not of that kind."""
    if expectation.severity != "critical" or expectation.mostly < 1 or len(expectation.columns) != 1:
        return None
    column = group.table.column(expectation.columns[0])
    made = _CHECKS.get(expectation.kind)
    holds = made(dict(expectation.arguments), column) if made else None
    return (column.name, holds, expectation.sentence) if holds else None


def _between(given: Mapping[str, Any], column: Column) -> Callable[[Any], bool] | None:
    low, high = given.get("min_value", -math.inf), given.get("max_value", math.inf)
    if column.type not in ("float", "int"):
        return None
    return lambda value: value is None or low <= value <= high


def _one_of(given: Mapping[str, Any], column: Column) -> Callable[[Any], bool] | None:
    said = given["value_set"]
    values = frozenset(said if isinstance(said, tuple) else (said,))
    return None if column.type in ("timestamp", "date") else lambda value: value is None or value in values


def _matches(given: Mapping[str, Any], column: Column) -> Callable[[Any], bool] | None:
    pattern = re.compile(given["regex"])
    return (lambda value: value is None or pattern.match(value) is not None) if column.type == "string" else None


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Column], Callable[[Any], bool] | None]] = {
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_not_be_null": lambda *_: lambda value: value is not None,
    "expect_column_values_to_be_in_set": _one_of,
    "expect_column_values_to_match_regex": _matches,
}


def as_event(group: FeatureGroup, row: Mapping[str, Any]) -> bytes:
    """A row of a group as one line of JSON, as a sender writes it."""
    return orjson.dumps({column.name: _said(row[column.name]) for column in group.table.columns})


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
