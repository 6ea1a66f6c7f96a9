"""Where trainings run: a resource with named profiles, and what each kind of profile does."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

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
from fti_assets.pipelines.child_process import train_in_child
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingRun, train


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


def run_training(task: TrainingTask) -> TrainedVersion:
    """Trains in the place that was chosen.

    Raises:
        FtiError: what `train` raises; in another process also that it failed or died, and of what.
    """
    task.context.log.info(f"Training '{task.program.model.name}' on dataset {task.manifest} with {task.choice}")
    match task.choice.profile:
        case LocalProfile() as profile:
            return _train_here(task, profile)
        case ProcessProfile() | GpuProfile() as profile:
            version = train_in_child(task, profile)
        case KubernetesProfile() as profile:
            version = _train_in_pod(task, profile)
    return TrainedVersion(version, task.registry.registry.pictures(version))


def _train_here(task: TrainingTask, profile: LocalProfile) -> TrainedVersion:
    log = task.context.log
    device = resolve_device(profile.device, fallback_to_cpu=profile.fallback_to_cpu, warn=log.warning)
    run = TrainingRun(device=device, threads=profile.threads, progress=log.info)
    store, registry = task.lake.store, task.registry.registry
    done = train(task.program, store, registry, dataset_id=task.manifest.id, run=run, tags=task.tags)
    return TrainedVersion(done.version, done.pictures)


def _train_in_pod(task: TrainingTask, profile: KubernetesProfile) -> ModelVersion:
    if find_spec("dagster_k8s") is None:
        raise FtiError(
            f"With {task.choice} a training runs on Kubernetes, for which a package is missing.",
            next_step="Install it where Dagster runs: pip install 'fti-assets[kubernetes]'.",
        )
    from fti_assets.pipelines.pod import train_in_pod

    return train_in_pod(task, profile)
