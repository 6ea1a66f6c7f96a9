"""A progress bar on the terminal for work on many files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fti_assets.cli.terminal import console


@contextmanager
def bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar that is gone when the work is done; told what is done, how much of it, and of how much. Files and pipes see none."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    target = console()
    with Progress(*columns, console=target, transient=True, disable=not target.is_terminal) as shown:
        task = shown.add_task(title, total=None)
        yield lambda what, done, of: shown.update(task, description=what or title, completed=done, total=of)
