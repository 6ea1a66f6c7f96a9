"""Tables in Markdown, as the UI shows them in metadata."""

from __future__ import annotations

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> str:
    """Rows as a table in Markdown, whose last columns, `right` of them, stand on the right."""
    lines = ["---"] * (len(columns) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in (columns, lines, *rows))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
