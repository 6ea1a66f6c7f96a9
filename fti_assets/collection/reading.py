"""Strict reading of delivered CSV files: every value is read as declared, or the files are refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import duckdb

from fti_assets.collection.error import LandingError

CORRECT = "Correct it where it comes from and have it delivered again."
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_CHUNK = 1 << 20


class _Problem(NamedTuple):
    """Sorts by the place of the file among those read, then by line and column."""

    file_number: int
    line: int
    column: int
    text: str


def read_csv(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    columns: Mapping[str, str],
    *,
    expected_rows: int | None = None,
) -> duckdb.DuckDBPyRelation:
    """Reads comma-separated files with a header into one temporary table of `con`; empty text and `NA` are null.

    Declare an instant as TIMESTAMPTZ. A TIMESTAMP with an offset is converted to the session's time zone, which is UTC on
    our connections. A whole number may be written as `2` or `2.0`.

    Args:
        con: the session's connection; the relation lives as long as it does.
        files: read in this order, in one scan.
        columns: name of each column of the files, in their order, and its DuckDB type.
        expected_rows: how many rows the delivery notes promise in all (`LandingZone.check`).

    Raises:
        LandingError: there is no file; a header is not as declared; a row has too few or too many fields, or a value that
            is not of its type; the text is not UTF-8; rows are missing. It names file, line and column.
    """
    if not files:
        raise LandingError(["There is no file to read."], next_step="Ask for at least one day.")
    _refuse([problem for number, file in enumerate(files) for problem in _broken(number, file, list(columns))])
    table = f"landed_{uuid4().hex}"
    _scan(con, files, columns, table)
    rejected = _rejected(con, files, len(columns), table)
    rows, fitting = con.execute(f"select count(*), count(*) filter ({table}_fits) from temp.main.{table}").fetchone() or (0, 0)
    if rejected or rows != fitting:
        misfits = list(_misfits(con, files, columns))
        _refuse(sorted([*rejected, *misfits]) or [_Problem(0, 0, 0, f"{rows - fitting} values in {files[0]} or later are amiss.")])
    _refuse_missing_rows(rows, files, expected_rows)
    return con.sql(f"select * exclude ({table}_fits) from temp.main.{table}")


def _broken(number: int, file: Path, expected: list[str]) -> Iterator[_Problem]:
    """A header that is not as declared, or a NUL byte, which DuckDB would take for text."""
    if not file.is_file():
        yield _Problem(number, 0, 0, f"{file} is missing.")
        return
    with file.open("rb") as stream:
        header = _fields(stream.readline().decode("utf-8-sig", "replace"))
        if header != expected:
            yield _Problem(number, 1, 0, f"{file}, line 1: {_header_problem(header, expected)}")
        stream.seek(0)
        lines = 1
        while chunk := stream.read(_CHUNK):
            if (position := chunk.find(0)) >= 0:
                lines += chunk.count(b"\n", 0, position)
                yield _Problem(number, lines, 0, f"{file}, line {lines}: it holds a NUL byte, which is not text.")
                return
            lines += chunk.count(b"\n")


def _fields(line: str) -> list[str]:
    return next(csv.reader([line.strip("\r\n")]), [])


def _header_problem(header: list[str], expected: list[str]) -> str:
    missing = [name for name in expected if name not in header]
    unexpected = [name for name in header if name not in expected]
    if not header:
        return f"the file is empty, not even the header is there. Expected columns: {', '.join(expected)}."
    if not missing and not unexpected:
        return f"the columns are in another order, or one is there twice: {', '.join(header)}. Expected: {', '.join(expected)}."
    said = [f"missing columns {', '.join(missing)}"] if missing else []
    said += [f"unexpected columns {', '.join(unexpected)}"] if unexpected else []
    return f"the header has {' and '.join(said)}. It has: {', '.join(header)[:500]}."


def _refuse(problems: Sequence[_Problem]) -> None:
    if problems:
        raise LandingError([problem.text for problem in problems], next_step=CORRECT)


def _scan(con: duckdb.DuckDBPyConnection, files: Sequence[Path], columns: Mapping[str, str], table: str) -> None:
    """Reads the rows into `table`, and those that are no rows into `table_rejects`."""
    values = ", ".join(f"{_value(name, kind)} as {_identifier(name)}" for name, kind in columns.items())
    fits = " and ".join(_fits(name, kind) for name, kind in columns.items())
    rejects = f"store_rejects = true, rejects_table = '{table}_rejects', rejects_scan = '{table}_scan', rejects_limit = 0"
    statement = f"create temp table {table} as select {values}, {fits} as {table}_fits from {_source(columns, rejects)}"
    try:
        con.execute(statement, {"files": [_without_glob(file) for file in files]})
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        named = re.search(r"^\s*file = (.+)$", str(error), re.MULTILINE)
        where = named[1] if named else ", ".join(map(str, files[:3]))
        reason = str(error).splitlines()[0].removesuffix(".")
        raise LandingError([f"{where} cannot be read as CSV: {reason}."], next_step=CORRECT) from error


def _source(columns: Mapping[str, str], on_error: str) -> str:
    """The files as text. Types are left to `_value`: the reader would round 2.5 to an INTEGER, drop the offset of a
    TIMESTAMP, and turn a TIMESTAMPTZ that is none into a null (DuckDB 1.5.5).
    """
    names = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in columns)
    return f"""read_csv(
        $files, columns = {{{names}}}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        nullstr = ['', 'NA'], {on_error}
    )"""


def _value(name: str, kind: str) -> str:
    column = _identifier(name)
    if kind.upper() == "VARCHAR":
        return column
    return f"try_cast({column} as timestamptz)::timestamp" if kind.upper() == "TIMESTAMP" else f"try_cast({column} as {kind})"


def _fits(name: str, kind: str) -> str:
    """SQL that is true where the text is null or exactly a value of its type."""
    column, value = _identifier(name), _value(name, kind)
    if kind.upper() == "VARCHAR":
        return "true"
    exactly = "true"
    if kind.upper() in _WHOLE:
        exactly = rf"regexp_full_match({column}, '\s*[+-]?[0-9]+([.]0*)?\s*')"
    if kind.upper() == "DATE":
        exactly = f"coalesce({value} = try_cast({column} as timestamp), false)"
    return f"({column} is null or ({value} is not null and {exactly}))"


def _rejected(con: duckdb.DuckDBPyConnection, files: Sequence[Path], width: int, table: str) -> list[_Problem]:
    """The lines that are no rows; one problem for each."""
    rows = con.execute(
        f"""
        select file_path, line_byte_position, coalesce(column_idx, 0), column_name, error_type, csv_line, error_message
        from temp.main.{table}_rejects join temp.main.{table}_scan using (scan_id, file_id)
        order by line, column_idx
        """
    ).fetchall()
    con.execute(f"drop table temp.main.{table}_rejects; drop table temp.main.{table}_scan")
    numbers = {str(file): number for number, file in enumerate(files)}
    problems: dict[tuple[str, int], _Problem] = {}
    for file, position, column, name, kind, text, message in rows:
        line = _line(Path(file), position, text)
        reason = _reason(kind, name, column, text, message, width)
        problems.setdefault((file, line), _Problem(numbers[file], line, column, f"{file}, line {line}{reason}"))
    return list(problems.values())


def _line(file: Path, position: int, text: str) -> int:
    """The line in which the rejected `text` begins. DuckDB's own number takes a row with line breaks in quotes for one line.

    `position` counts bytes from 1. It may be that of the line breaks before the row, with which `text` then begins.
    """
    with file.open("rb") as stream:
        before = stream.read(position - 1)
    breaks = text[: len(text) - len(text.lstrip("\r\n"))]
    return before.count(b"\n") + breaks.count("\n") + 1


def _reason(kind: str, name: str | None, column: int, text: str, message: str, width: int) -> str:
    shown = repr(text.strip("\r\n")[:80])
    if kind in ("MISSING COLUMNS", "TOO MANY COLUMNS"):
        return f": {len(_fields(text))} fields, but {width} are expected: {shown}."
    known = {"INVALID ENCODING": "the text is not UTF-8", "UNQUOTED VALUE": "a quotation mark is not closed, or text follows it"}
    where = f", column {name} ({column})" if name else ""
    return f"{where}: {known.get(kind, message.removesuffix('.'))}: {shown}."


def _misfits(con: duckdb.DuckDBPyConnection, files: Sequence[Path], columns: Mapping[str, str]) -> Iterator[_Problem]:
    """Searches the files for the values that are not of their type. Done only once it is known that there is something."""
    wrong = {name: _wrong_texts(con, files, columns, name) for name, kind in columns.items() if kind.upper() != "VARCHAR"}
    places = [(at, name, columns[name], wrong[name]) for at, name in enumerate(columns) if wrong.get(name)]
    for number, file in enumerate(files):
        for line, row in _records(file):
            for at, name, kind, texts in places:
                if at < len(row) and row[at] in texts:
                    where = f"{file}, line {line}, column {name} ({at + 1})"
                    yield _Problem(number, line, at + 1, f"{where}: {row[at][:80]!r} is not of type {kind}.")


def _wrong_texts(con: duckdb.DuckDBPyConnection, files: Sequence[Path], columns: Mapping[str, str], name: str) -> set[str]:
    source, misfit = _source(columns, "ignore_errors = true"), f"not {_fits(name, columns[name])}"
    statement = f"select distinct {_identifier(name)} from {source} where {misfit}"
    rows = con.execute(statement, {"files": [_without_glob(file) for file in files]}).fetchall()
    return {text for (text,) in rows}


def _records(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of data of the file as text, each with the number of the line that it begins in."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(stream)
        next(reader, None)
        while True:
            line = reader.line_num + 1
            try:
                yield line, next(reader)
            except (StopIteration, csv.Error):
                # Python gives up at a field of 128 KiB, but the files are refused already: only further problems go unnamed.
                return


def _refuse_missing_rows(rows: int, files: Sequence[Path], expected: int | None) -> None:
    if expected is not None and rows != expected:
        where = str(files[0]) if len(files) == 1 else f"the {len(files)} files {files[0]} .. {files[-1]}"
        raise LandingError(
            [f"{rows:,} rows were read from {where}, but the delivery notes promise {expected:,}."],
            next_step="Have them delivered again, with the row counts of the notes taken from the files.",
        )


def _identifier(name: str) -> str:
    """Quoted. The columns of delivered files are the partner's, so their names may be any text."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_glob(file: Path) -> str:
    """The path with its wildcards taken literally."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))
