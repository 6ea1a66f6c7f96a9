"""Runs the stages of a system through Dagster, with a line on the terminal for each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

from fti_assets.cli.stages import Days, Stage
from fti_assets.cli.terminal import PIPED_WIDTH, show_table

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from rich.progress import Progress, TaskID

    from fti_assets.pipelines.running import FinishedRun, WorkspaceJob
    from fti_assets.vocabulary import Daily


@dataclass(frozen=True, slots=True)
class Job:
    """What a job of the workspace makes: the names of its assets by their schema, and its calendar."""

    assets: Mapping[str, list[str]]
    calendar: Daily | None


def describe(job: WorkspaceJob) -> Job:
    """Looks a job up in its code location."""
    from dagster import DailyPartitionsDefinition

    from fti_assets.vocabulary import Daily

    definition = import_module(job.module).defs.resolve_job_def(job.name)
    assets: dict[str, list[str]] = {}
    for key in sorted(definition.asset_layer.selected_asset_keys, key=lambda key: key.path):
        assets.setdefault(key.path[0], []).append(key.path[-1])
    days = definition.partitions_def
    if not isinstance(days, DailyPartitionsDefinition):
        return Job(assets, None)
    end = f"{days.end:%Y-%m-%d}" if days.end else None
    return Job(assets, Daily(start=f"{days.start:%Y-%m-%d}", end=end, timezone=days.timezone))


class Execution:
    """Runs stages one after another on one terminal, with a line for each."""

    def __init__(self, instance: DagsterInstance, progress: Progress) -> None:
        self.instance, self.progress = instance, progress

    def run(self, stage: Stage, job: WorkspaceJob, days: Days | None, config: Mapping[str, object] | None) -> FinishedRun:
        """Runs one stage, for `days` in one pass where they are given.

        Raises:
            RunFailedError: a step failed.
        """
        live = self.progress.console.is_terminal
        if not live:
            self.progress.console.print(f"{stage.title} {days or ''}".rstrip())
        task = self.progress.add_task(stage.title, total=1, step="starting", days=str(days or ""), visible=live)
        run = job.run(
            self.instance,
            first=days.first if days else None,
            last=days.last if days else None,
            config=config,
            on_step=lambda step, ended: self._show(task, step, ended=ended),
        )
        self.progress.update(task, completed=1, step=steps_of(run))
        if not live:
            self.progress.console.print(f"  done in {run.seconds:.1f} s")
        return run

    def _show(self, task: TaskID, step: str, *, ended: bool) -> None:
        if not ended:
            self.progress.update(task, step=step)


@contextmanager
def executing(instance: DagsterInstance) -> Iterator[Execution]:
    """An execution whose progress is on the terminal, while what steps print goes to the logs of their run only."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("[bold]{task.description}"),
        TextColumn("{task.fields[days]}"),
        TextColumn("[dim]{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with _steps_unheard() as terminal:
        width = None if terminal.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
        console = Console(file=terminal, highlight=False, width=width)
        with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as progress:
            yield Execution(instance, progress)


def steps_of(run: FinishedRun) -> str:
    """How many steps a run had: `1 step`."""
    return f"{len(run.steps)} step{'s' if len(run.steps) != 1 else ''}"


def show_times(finished: Sequence[tuple[Stage, FinishedRun]]) -> None:
    """Prints a table of stages and steps with their seconds."""
    rows: list[tuple[object, ...]] = []
    for stage, run in finished:
        rows.append((stage.title, steps_of(run), f"{run.seconds:.1f}", run.run_id[:8]))
        rows += [("", step.key, f"{step.seconds:.1f}", None) for step in run.steps]
    if rows:
        total = sum(run.seconds for _, run in finished)
        show_table(["stage", "step", "seconds", "run"], [*rows, ("all", None, f"{total:.1f}", None)], right=("seconds",))


@contextmanager
def _steps_unheard() -> Iterator[TextIO]:
    """Yields the terminal; the process's own standard output and error lead nowhere meanwhile.

    Dagster copies what steps print to both its logs and the process's output, which would break the progress display.
    """
    try:
        streams = {stream.fileno(): os.dup(stream.fileno()) for stream in (sys.stdout, sys.stderr)}
    except (OSError, ValueError):  # no files, as in tests
        yield sys.stdout
        return
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    terminal = os.fdopen(os.dup(streams[sys.stdout.fileno()]), "w", encoding=sys.stdout.encoding, buffering=1)
    try:
        for number in streams:
            os.dup2(nowhere, number)
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in streams.items():
            os.dup2(kept, number)
            os.close(kept)
        os.close(nowhere)
        terminal.close()
