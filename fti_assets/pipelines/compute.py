"""Where trainings, searches and backtests run: a resource with named profiles, and what each kind of profile does."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import dagster as dg
from pydantic import Field

from fti_assets.compute import (
    Choice,
    GpuProfile,
    KubernetesProfile,
    LocalProfile,
    ProcessProfile,
    choose,
    read_profiles,
    resolve_device,
)
from fti_assets.errors import FtiError
from fti_assets.model_registry import ModelVersion
from fti_assets.pipelines.child_process import run_in_child
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingRun, Trial, backtest, search, train


class ComputeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The profiles of places to train in: `local`, `process` and `gpu`, and what a file adds or puts in their place."""

    file: str | None = Field(
        default=None, description="YAML file of profiles; `$FTI_COMPUTE_FILE` unless given, the built-in ones without any."
    )

    def choose(self, asked: str | None, *, needs_gpu: bool) -> Choice:
        """The place of a training: what the run asks for, else `$FTI_COMPUTE`, else `gpu` if the model needs one, else `local`.

        Raises:
            NotFoundError: there is no such profile; the error names those that exist.
            ProfileError: the file cannot be understood.
        """
        profiles = read_profiles(self.file or os.environ.get("FTI_COMPUTE_FILE") or None)
        return choose(profiles, asked=asked, environment=os.environ.get("FTI_COMPUTE"), needs_gpu=needs_gpu)


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """What came of a training, wherever it ran: the version, and its pictures (PNG by name)."""

    version: ModelVersion
    pictures: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SearchedVersion:
    """What came of a search, wherever it ran: the version of the best trial, and every trial."""

    version: ModelVersion
    best: Trial
    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True)
class Backtested:
    """What came of a backtest, wherever it ran: the dataset that was cut for it, and figures."""

    dataset_id: str
    metrics: Mapping[str, float]


def run_training(task: TrainingTask) -> TrainedVersion:
    """Trains in the place that was chosen.

    Raises:
        FtiError: what `train` raises; in another process also that it failed or died, and of what.
    """
    _tell(task, f"Training '{task.program.model.name}' on dataset {task.manifest}")
    said, registry = _elsewhere(task), task.registry.registry
    if said is not None:
        version = registry.get(task.program.model.name, str(said["version"]))
        return TrainedVersion(version, registry.pictures(version))
    done = train(task.program, task.lake.store, registry, dataset_id=task.manifest.id, run=_here(task), tags=task.tags)
    return TrainedVersion(done.version, done.pictures)


def run_search(task: TrainingTask) -> SearchedVersion:
    """Searches in the place that was chosen.

    Raises:
        FtiError: what `search` raises; in another process also that it failed or died, and of what.
    """
    assert task.search is not None
    _tell(task, f"Searching for '{task.program.model.name}' on dataset {task.manifest}")
    said, registry = _elsewhere(task), task.registry.registry
    if said is not None:
        trials = [Trial(**one) for one in said["trials"]]
        (best,) = (trial for trial in trials if trial.number == said["best"])
        return SearchedVersion(registry.get(task.program.model.name, str(said["version"])), best, trials)
    store, dataset = task.lake.store, task.manifest.id
    found = search(task.program, store, registry, task.search, dataset_id=dataset, run=_here(task), tags=task.tags)
    return SearchedVersion(found.trained.version, found.best, found.trials)


def run_backtest(task: TrainingTask) -> Backtested:
    """Backtests in the place that was chosen.

    Raises:
        FtiError: what `backtest` raises; in another process also that it failed or died, and of what.
    """
    assert task.cutoff is not None
    _tell(task, f"Training '{task.program.model.name}' as of {task.cutoff}")
    said = _elsewhere(task)
    if said is not None:
        return Backtested(said["dataset_id"], said["metrics"])
    done = backtest(task.program, task.lake.store, task.registry.registry, task.cutoff, run=_here(task), tags=task.tags)
    return Backtested(done.manifest.id, done.metrics)


def _tell(task: TrainingTask, what: str) -> None:
    task.context.log.info(f"{what} with {task.choice}")


def _here(task: TrainingTask) -> TrainingRun:
    """How a task runs in this process."""
    log, profile = task.context.log, task.choice.profile
    assert isinstance(profile, LocalProfile)
    device = resolve_device(profile.device, fallback_to_cpu=profile.fallback_to_cpu, warn=log.warning)
    return TrainingRun(device=device, threads=profile.threads, progress=log.info)


def _elsewhere(task: TrainingTask) -> Mapping[str, Any] | None:
    """Does a task in the place that was chosen and returns what the worker told; None where that place is this process."""
    match task.choice.profile:
        case LocalProfile():
            return None
        case ProcessProfile() | GpuProfile() as profile:
            return run_in_child(task, profile)
        case KubernetesProfile() as profile:
            return _in_pod(task, profile)


def _in_pod(task: TrainingTask, profile: KubernetesProfile) -> Mapping[str, Any]:
    if find_spec("dagster_k8s") is None:
        raise FtiError(
            f"With {task.choice} a training runs on Kubernetes, for which a package is missing.",
            next_step="Install it where Dagster runs: pip install 'fti-assets[kubernetes]'.",
        )
    from fti_assets.pipelines.pod import run_in_pod

    return run_in_pod(task, profile)
