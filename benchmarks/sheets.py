"""Tables of figures: shown in the terminal, or written as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Summary


@dataclass(frozen=True, slots=True)
class Sheet:
    """A titled table of one experiment: text in the first column, figures in the others."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default_factory=list)
    note: str = ""


def show(sheet: Sheet) -> None:
    table = Table(title=sheet.title, caption=sheet.note or None, title_justify="left", caption_justify="left")
    for number, column in enumerate(sheet.columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in sheet.rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)


def markdown(sheets: Sequence[Sheet]) -> str:
    parts = []
    for sheet in sheets:
        lines = [_line(sheet.columns), _line(["---", *["---:"] * (len(sheet.columns) - 1)]), *map(_line, sheet.rows)]
        parts += [f"## {sheet.title}", "\n".join(lines), *([sheet.note] if sheet.note else [])]
    return "\n\n".join(parts) + "\n"


def seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def gib(size: float) -> str:
    return f"{size / 2**30:.2f}" if size else ""


def ratio(took: Summary, other: Summary | None) -> str:
    return f"{took.seconds / other.seconds:.2f}" if other else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
