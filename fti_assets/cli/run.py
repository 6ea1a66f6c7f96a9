"""`fti run`: the main job of a system, from landing files to predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.land import deliver, has_delivery
from fti_assets.cli.options import WORKSPACE, FirstDay, LastDay, Workspace
from fti_assets.cli.stages import DATASETS, Days, Part, Stage, checked_days, cutoff_config, cutoff_of, days_of_test, plan
from fti_assets.cli.stores import dagster_instance, feature_store, landing_zone
from fti_assets.cli.terminal import console
from fti_assets.errors import NotFoundError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from fti_assets.cli.execution import Job
    from fti_assets.pipelines.running import WorkspaceJob
    from fti_assets.vocabulary import Daily

EXAMPLES = """
[bold]Examples:[/bold]

fti run flights                                        [dim]# all stages, the whole year[/dim]

fti run flights --first 2013-01-01 --last 2013-05-31   [dim]# five months[/dim]

fti run flights --only features --first 2013-06-01 --last 2013-06-07

fti run flights --only inference --score-first 2013-12-24 --score-last 2013-12-26

[dim]Stages: collection, features, training, inference, online. Every run is in the Dagster UI afterwards.[/dim]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for on the command line."""

    first: str | None
    last: str | None
    score_first: str | None
    score_last: str | None
    cutoff: str | None


def run(
    system: Annotated[str, typer.Argument(help="System to run, as its jobs are named in the workspace: flights.")],
    first: FirstDay = None,
    last: LastDay = None,
    score_first: Annotated[
        str | None,
        typer.Option("--score-first", metavar="DAY", help="First day to predict; that of the newest dataset's test split."),
    ] = None,
    score_last: Annotated[str | None, typer.Option("--score-last", metavar="DAY", help="Last day to predict, inclusive.")] = None,
    cutoff: Annotated[
        str | None, typer.Option("--cutoff", metavar="DAY", help="Train on what was known before this day; the day after --last.")
    ] = None,
    only: Annotated[
        Part | None, typer.Option("--only", metavar="STAGE", help="Run one: collection, features, training, inference or online.")
    ] = None,
    workspace: Workspace = WORKSPACE,
) -> None:
    """Run the main job of a system through Dagster: collection, features, training, inference, online tables."""
    asked = Asked(first=first, last=last, score_first=score_first, score_last=score_last, cutoff=cutoff_of(cutoff, last))
    with dagster_instance(workspace) as instance:
        with console().status("Loading the code locations"):
            jobs, described = _load(system, workspace)
        stages = plan(system, jobs, only)
        days_of_partitions(stages, described, asked)
        if has_delivery(system) and stages[0].part is Part.COLLECTION and not landing_zone().days():
            deliver(system, first, last)
        _execute(instance, stages, jobs, described, asked)
        from fti_assets.cli.results import show_results

        trained = _assets(described, "models") if Part.TRAINING in {stage.part for stage in stages} else []
        predicted = _assets(described, "predictions") if Part.INFERENCE in {stage.part for stage in stages} else []
        show_results(trained, predicted, instance, workspace)


def days_of_partitions(stages: Iterable[Stage], described: Mapping[str, Job], asked: Asked) -> dict[str, Days]:
    """The days of each stage that can be known before anything runs: those of collection and features.

    Raises:
        DefinitionError: days that were asked for are not in the calendar of their stage.
    """
    calendars = {stage: calendar for stage in stages if (calendar := described[stage.job].calendar)}
    for calendar in (calendar for stage, calendar in calendars.items() if stage.part is Part.INFERENCE):
        checked_days(calendar, asked.score_first, asked.score_last, what="score-")
    return {
        stage.job: checked_days(calendar, asked.first, asked.last)
        for stage, calendar in calendars.items()
        if stage.part is not Part.INFERENCE
    }


def _load(system: str, workspace: Path) -> tuple[dict[str, WorkspaceJob], dict[str, Job]]:
    from fti_assets.cli.execution import describe
    from fti_assets.pipelines.running import workspace_jobs

    jobs = workspace_jobs(workspace)
    return jobs, {stage.job: describe(jobs[stage.job]) for stage in plan(system, jobs)}


def _execute(
    instance: DagsterInstance,
    stages: list[Stage],
    jobs: Mapping[str, WorkspaceJob],
    described: Mapping[str, Job],
    asked: Asked,
) -> None:
    """Runs the stages; the table of those that ended well is printed even when one fails."""
    from fti_assets.cli.execution import executing, show_times

    days, datasets, finished = days_of_partitions(stages, described, asked), _assets(described, DATASETS), []
    try:
        with executing(instance) as execution:
            for stage in stages:
                calendar = described[stage.job].calendar
                scored = _score_days(datasets, calendar, asked) if stage.part is Part.INFERENCE and calendar else None
                config = cutoff_config(datasets, asked.cutoff) if stage.part is Part.TRAINING else None
                finished.append((stage, execution.run(stage, jobs[stage.job], days.get(stage.job, scored), config)))
    finally:
        show_times(finished)


def _score_days(datasets: Iterable[str], calendar: Daily, asked: Asked) -> Days:
    """The days asked for; by default those of the test split of the newest training dataset."""
    if asked.score_first and asked.score_last:
        return checked_days(calendar, asked.score_first, asked.score_last, what="score-")
    store = feature_store()
    newest = [days_of_test(store.dataset(name)[1], calendar.timezone) for name in datasets if store.datasets(name)]
    if not newest:
        raise NotFoundError(
            "No training dataset is stored whose test split could be predicted.",
            next_step="Give --score-first and --score-last, or run the stage training first.",
        )
    return checked_days(calendar, asked.score_first or newest[-1].first, asked.score_last or newest[-1].last, what="score-")


def _assets(described: Mapping[str, Job], schema: str) -> list[str]:
    """The names of a system's assets of one kind; validations of models are no models."""
    names = {name for job in described.values() for name in job.assets.get(schema, ())}
    return sorted(
        name for name in names if name.removesuffix("_validation") == name or name.removesuffix("_validation") not in names
    )
