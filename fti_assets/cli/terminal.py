"""How things look on a terminal: tables, sentences, numbers; and the same as JSON for other programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 120
"""Columns of what is written to a pipe or a file, where no terminal says how wide it is."""

NUMBERS = (int, float)


def console(*, stderr: bool = False) -> Console:
    """A console on what is standard output, or standard error, now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(file=stream, highlight=False, width=width)


def width() -> int:
    """Columns of the terminal, or of what stands in for one."""
    return console().width


def say(text: str, style: str = "", *, stderr: bool = False) -> None:
    """Prints a sentence as it is: no markup in it is read, and no path in it is broken."""
    console(stderr=stderr).print(Text(text, style=style), soft_wrap=True)


def title(text: str) -> None:
    """Prints a heading above what follows."""
    say(f"\n{text}", "bold")


def show_json(data: Any) -> None:
    """Prints data as JSON, for other programs."""
    sys.stdout.write(json.dumps(data, indent=2, default=str, ensure_ascii=False) + "\n")


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), whole: Sequence[str] = ()
) -> None:
    """Prints a table.

    Args:
        columns: their headings.
        rows: a value for each column; None is an empty cell.
        right: columns that stand on the right although they are text; numbers do anyway.
        whole: columns whose values are not broken over lines, besides the first: what people copy.
    """
    made = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for n, column in enumerate(columns):
        numeric = column in right or (bool(made) and all(row[n] is None or isinstance(row[n], NUMBERS) for row in made))
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=n == 0 or column in whole)
    for row in made:
        table.add_row(*(Text(shown(value)) for value in row))
    console().print(table)


def show_facts(facts: Mapping[str, object]) -> None:
    """Prints names and values, one a line; what is None is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None and value != "":
            table.add_row(name, Text(shown(value)))
    console().print(table)


def shown(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 file`, `1,200 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(count: int) -> str:
    """A number of bytes in words: `1.4 MB`."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def share(value: float) -> str:
    """A share in percent: `24.9%`."""
    return f"{value:.1%}"


def duration(text: str | None) -> str | None:
    """A span of time as `str(timedelta)` writes it, in words: `30 hours`."""
    found = re.fullmatch(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)", text or "")
    if found is None:
        return text
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    hours += 24 * days
    if seconds or minutes:
        return f"{hours}:{minutes:02}:{seconds:02} hours"
    return f"{hours // 24} days" if hours > 48 and hours % 24 == 0 else f"{hours} hours"
