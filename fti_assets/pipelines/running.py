"""Runs jobs of a workspace in this process, recorded in the Dagster instance as if the UI had launched them."""

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import DagsterEvent
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import CodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

from fti_assets.errors import FtiError, not_found
from fti_assets.pipelines.dead_runs import alive, bury_dead_runs
from fti_assets.pipelines.schedules import range_tags

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailedError(FtiError):
    """A Dagster run failed.

    Attributes:
        run_id: of the run, for the UI.
        steps: description of the failure of each failed step, by step.
    """

    def __init__(self, job: str, run_id: str, steps: Mapping[str, str]) -> None:
        self.run_id, self.steps = run_id, steps
        told = " ".join(f"{step}: {reason}" for step, reason in steps.items()) or "It left no failed step; see its log in the UI."
        super().__init__(f"Job '{job}' failed in run {run_id}. {told}")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run that ended well."""

    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended well."""

    job: str
    run_id: str
    seconds: float
    steps: tuple[Step, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WorkspaceJob:
    """A job of a code location of `workspace.yaml`."""

    location: CodeLocationOrigin
    module: str
    name: str

    def run(
        self,
        instance: dg.DagsterInstance,
        *,
        first: str | None = None,
        last: str | None = None,
        config: Mapping[str, object] | None = None,
        on_step: Callable[[str, bool], None] | None = None,
    ) -> FinishedRun:
        """Runs the job in this process, for the partitions `first` to `last` in one pass where they are given.

        Args:
            instance: records the run.
            first: first partition; also the last unless one is given.
            last: last partition, inclusive.
            config: run configuration.
            on_step: told when a step starts (False) and when it has ended well (True).

        Raises:
            RunFailedError: a step failed; it names the steps with their reasons.
        """
        started = time.monotonic()
        bury_dead_runs(instance)
        job = importlib.import_module(self.module).defs.resolve_job_def(self.name)
        run_config = {**_QUIET, **(config or {})}
        run = instance.create_run_for_job(
            job_def=job,
            run_config=run_config,
            tags={**job.run_tags, **(range_tags(first, last or first) if first else {})},
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(self.location, "__repository__"), self.name),
        )
        steps, failures = [], {}
        with alive(run.run_id):
            for event in execute_run_iterator(InMemoryJob(job), run, instance):
                if event.is_step_start and on_step:
                    on_step(_step(event), False)
                if event.is_step_success:
                    steps.append(Step(_step(event), event.step_success_data.duration_ms / 1000))
                    if on_step:
                        on_step(_step(event), True)
                if event.is_step_failure:
                    failures[_step(event)] = _reason(event)
        finished = instance.get_run_by_id(run.run_id)
        if finished is None or not finished.is_success:
            raise RunFailedError(self.name, run.run_id, failures)
        return FinishedRun(self.name, run.run_id, time.monotonic() - started, tuple(steps))


def workspace_jobs(workspace: Path) -> dict[str, WorkspaceJob]:
    """The jobs of all code locations of a workspace file, by name. Locations are imported into this process.

    Raises:
        FtiError: the file does not exist.
    """
    if not workspace.is_file():
        raise FtiError(f"There is no workspace file '{workspace}'.", next_step="Run from the folder that holds it, or name it.")
    jobs = {}
    for origin in location_origins_from_yaml_paths([str(workspace)]):
        module = getattr(getattr(origin, "loadable_target_origin", None), "module_name", None)
        folder = getattr(getattr(origin, "loadable_target_origin", None), "working_directory", None)
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
        if module is None:
            raise FtiError(f"Code location '{origin.location_name}' is not a Python module.", next_step="List it as python_module.")
        for job in importlib.import_module(module).defs.jobs or ():
            jobs[job.name] = WorkspaceJob(origin, module, job.name)
    return jobs


def job_of(jobs: Mapping[str, WorkspaceJob], name: str) -> WorkspaceJob:
    """The job of that name.

    Raises:
        NotFoundError: there is none; the error names those that exist.
    """
    if name not in jobs:
        raise not_found("Job", name, jobs, where="the workspace")
    return jobs[name]


def _step(event: DagsterEvent) -> str:
    return (event.step_key or "").replace("__", "/", 1)


def _reason(event: DagsterEvent) -> str:
    """The message of the error that made a step fail: that of our own Failure, or of the innermost cause."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed without an error"
