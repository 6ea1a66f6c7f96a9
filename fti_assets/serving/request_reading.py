"""Requests for predictions, read: bytes of JSON in, rows of typed values out, or an error that says what is wrong where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from fti_assets.serving.column_checks import EXPECTED, Check, WrongValueError, are_typed, check_of, shown
from fti_assets.serving.errors import RequestError, close_to
from fti_assets.vocabulary import Column

REQUEST_TIME = "request_time"
"""Of the request or of one row: the time for which a prediction is asked."""
ASKED = ("row", "rows", REQUEST_TIME, "explain", "features")
"""What a request may hold."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MANY = 8
"""Rows from which on it is quicker to look at whole columns first."""
_BODY = '{"row": {...}} or {"rows": [{...}, ...]}'


@dataclass(slots=True)
class Asked:
    """What is asked.

    Attributes:
        rows: for each row the columns given and their values.
        at: for each row its time, microseconds since 1970 in UTC.
        explain: whether reasons are asked for.
        features: whether the features as used are asked for.
    """

    rows: list[dict[str, Any]]
    at: list[int]
    explain: bool = False
    features: bool = False


class RowReader:
    """Reads rows of the columns that a request may give.

    Args:
        columns: that may be given.
        required: names of those that must be given, and not be null.
        time_column: of the spine, which holds the time of a row: `request_time` is given in its place.
    """

    def __init__(self, columns: Sequence[Column], required: Sequence[str], *, time_column: str = "") -> None:
        self._time_column = time_column
        self.columns: Mapping[str, Column] = {column.name: column for column in columns}
        self.required = tuple(required)
        self._checks: dict[str, Check] = {column.name: check_of(column) for column in columns}

    def are_typed(self, rows: Sequence[Any]) -> bool:
        """Whether `read` would give each of some rows back as it is. A false answer may be wrong."""
        if set(map(type, rows)) != {dict}:
            return False
        names = tuple(rows[0])
        if set(map(tuple, rows)) != {names} or not self.columns.keys() >= set(names) >= set(self.required):
            return False
        return all(are_typed(self.columns[name], [row[name] for row in rows]) for name in names)

    def read(self, row: Any, place: Callable[[], str]) -> dict[str, Any]:
        """The row's values, typed.

        Args:
            row: as JSON has it.
            place: says where it stands, for an error.

        Raises:
            RequestError: it is no object, or a column is unknown, missing or of another type.
        """
        if type(row) is not dict:
            raise RequestError(422, f"A row is {shown(row)}.", where=place(), expected="an object: a value for each column")
        given: dict[str, Any] = {}
        checks = self._checks
        name = ""
        try:
            for name, value in row.items():
                given[name] = checks[name](value)
        except KeyError:
            raise self._unknown(name, place()) from None
        except WrongValueError as wrong:
            raise self._wrong(name, wrong, place()) from None
        for name in self.required:
            if given.get(name) is None:
                raise self._missing(name, name in given, place())
        return given

    def _unknown(self, name: str, place: str) -> RequestError:
        hint = close_to(name, self.columns)
        if name == self._time_column:
            hint = f"The time of a row is given as '{REQUEST_TIME}'."
        return RequestError(
            422,
            f"There is no column {shown(name)}.",
            where=_below(place, name),
            expected=f"one of: {', '.join(self.columns)}",
            next_step=hint or "Leave it out.",
        )

    def _wrong(self, name: str, wrong: WrongValueError, place: str) -> RequestError:
        column = self.columns[name]
        unit = f" ({column.unit})" if column.unit else ""
        nullable = "" if name in self.required else ", or null"
        said = str(wrong)
        return RequestError(
            422,
            f"{said[0].upper()}{said[1:]}.",
            where=_below(place, name),
            expected=f"{EXPECTED[column.type]}{unit}{nullable}",
            next_step="Write the zone: Z for UTC." if "without a zone" in said else "",
        )

    def _missing(self, name: str, is_null: bool, place: str) -> RequestError:
        what = f"The key '{name}' is null." if is_null else f"The key '{name}' is missing."
        expected = f"{EXPECTED[self.columns[name].type]}; every row has: {', '.join(self.required)}"
        return RequestError(422, what, where=_below(place, name) if is_null else place, expected=expected)


class RequestReader:
    """Reads the bodies of requests to one model.

    Args:
        rows: reads a row.
        most_rows: that a request may have.
        most_explained: rows that may be explained in one request.
    """

    def __init__(self, rows: RowReader, *, most_rows: int, most_explained: int) -> None:
        self.row_reader, self.most_rows, self.most_explained = rows, most_rows, most_explained

    def read(self, body: bytes, now: Callable[[], int]) -> Asked:
        """What a body asks for.

        Args:
            body: JSON.
            now: gives the time of rows that say none, in microseconds.

        Raises:
            RequestError: it is not written so, or does not fit the contract; the error says where.
        """
        said = read_json(body)
        if type(said) is not dict:
            raise RequestError(422, f"The body is {shown(said)}.", expected=_BODY)
        rows, place = self._rows(said)
        self._check_names(said)
        asked = self.read_rows(rows, said.get(REQUEST_TIME), now, place)
        asked.explain, asked.features = _flag(said, "explain"), _flag(said, "features")
        if asked.explain and len(rows) > self.most_explained:
            raise self._too_many_explained(len(rows))
        return asked

    def read_rows(
        self, rows: Sequence[Any], time: Any, now: Callable[[], int], place: Callable[[int], str] = "rows[{}]".format
    ) -> Asked:
        """Rows as JSON has them, typed.

        Args:
            rows: each may hold its own `request_time`.
            time: of those that do not, as text; None is now.
            now: gives the present, in microseconds.
            place: says where the row of a number stands.

        Raises:
            RequestError: a value does not fit.
        """
        given = _time(time, REQUEST_TIME)
        common = now() if given is None else given
        if len(rows) >= _MANY and self.row_reader.are_typed(rows):
            return Asked(list(rows), [common] * len(rows))
        at: list[int] = []
        return Asked([self._row(row, place, number, common, at) for number, row in enumerate(rows)], at)

    def _rows(self, said: dict[str, Any]) -> tuple[list[Any], Callable[[int], str]]:
        if "row" in said and "rows" not in said:
            return [said["row"]], lambda _: "row"
        if "rows" not in said or "row" in said:
            both = "both 'row' and 'rows'" if "rows" in said else "neither 'row' nor 'rows'"
            raise RequestError(422, f"The body holds {both}.", expected=_BODY)
        rows = said["rows"]
        if type(rows) is not list:
            raise RequestError(422, f"'rows' is {shown(rows)}.", where="rows", expected="a list of objects")
        self.check_count(len(rows))
        return rows, "rows[{}]".format

    def check_count(self, rows: int) -> None:
        """Refuses no rows, and more than there may be.

        Raises:
            RequestError: it is refused.
        """
        if not rows:
            raise RequestError(422, "There are no rows.", where="rows", expected=f"1 to {self.most_rows:,} rows")
        if rows > self.most_rows:
            raise RequestError(
                422,
                f"There are {rows:,} rows.",
                where="rows",
                expected=f"at most {self.most_rows:,} rows in one request",
                next_step="Ask in several requests.",
            )

    def _check_names(self, said: dict[str, Any]) -> None:
        for name in said:
            if name not in ASKED:
                hint = close_to(name, ASKED)
                if name in self.row_reader.columns:
                    hint = f'Columns stand inside a row: {{"row": {{"{name}": ...}}}}.'
                raise RequestError(
                    422,
                    f"The body holds {shown(name)}.",
                    where=name[:200],
                    expected=f"of these: {', '.join(ASKED)}",
                    next_step=hint,
                )

    def _row(self, row: Any, place: Callable[[int], str], number: int, time: int, at: list[int]) -> dict[str, Any]:
        if type(row) is dict and REQUEST_TIME in row:
            row = dict(row)
            own = _time(row.pop(REQUEST_TIME), lambda: _below(place(number), REQUEST_TIME))
            time = time if own is None else own
        at.append(time)
        return self.row_reader.read(row, lambda: place(number))

    def _too_many_explained(self, rows: int) -> RequestError:
        most = self.most_explained
        return RequestError(
            422,
            f"Reasons are asked for {rows:,} rows.",
            where="explain",
            expected=f"at most {most:,} rows where reasons are asked for" if most else "false; this server gives no reasons",
            next_step="Ask for the reasons of fewer rows." if most else "",
        )


def read_json(body: bytes) -> Any:
    """The value that JSON in UTF-8 holds.

    Raises:
        RequestError: it is no JSON; so are NaN, infinite numbers, and nesting deeper than 1,024.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        what = str(error).partition(": line ")[0]
        raise RequestError(
            400,
            f"The body is no JSON: {what}." if body else "The body is empty.",
            where=f"line {error.lineno}, column {error.colno}",
            expected=f"JSON in UTF-8, as {_BODY}",
            next_step="NaN and Infinity are not JSON: write null for what is not known." if _is_nan(body, error.pos) else "",
        ) from None


def microseconds(time: datetime) -> int:
    """Since 1970 in UTC."""
    return (time - _EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """The time of microseconds since 1970, in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def _is_nan(body: bytes, position: int) -> bool:
    around = body[max(0, position - 1) : position + len("Infinity")]
    return b"NaN" in around or b"Infinity" in around


def _time(value: Any, place: str | Callable[[], str]) -> int | None:
    if value is None:
        return None
    try:
        return microseconds(_CHECK_TIME(value))
    except WrongValueError as wrong:
        where, said = place if isinstance(place, str) else place(), str(wrong)
        step = "Write the zone: Z for UTC." if "without a zone" in said else ""
        raise RequestError(
            422, f"{said[0].upper()}{said[1:]}.", where=where, expected=EXPECTED["timestamp"], next_step=step
        ) from None


def _flag(said: Mapping[str, Any], name: str) -> bool:
    value = said.get(name, False)
    if value is True or value is False:
        return value
    raise RequestError(422, f"'{name}' is {shown(value)}.", where=name, expected="true or false")


def _below(place: str, name: str) -> str:
    return f"{place}.{name[:200]}"


_CHECK_TIME = check_of(Column(REQUEST_TIME, "timestamp"))
