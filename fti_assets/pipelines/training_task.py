"""What the assets of a model, its search and its backtest hand to the place where they run."""

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg

from fti_assets.compute import Choice
from fti_assets.errors import FtiError
from fti_assets.feature_store import Manifest
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.run_tags import run_tags
from fti_assets.training import SearchSettings, TrainingProgram, TrainingSpec
from fti_assets.training.spec import RESULT


class TrainingFailedError(FtiError):
    """A training in another process ended without a model."""


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A training that is to be done for the asset of its model.

    Attributes:
        choice: the place where it is to run.
        dataset_id: version of the training dataset; the newest unless given.
        search: the settings, when the space of the program is to be searched.
        cutoff: the day, when the program is to be backtested, which cuts a dataset of its own.
    """

    program: TrainingProgram
    context: dg.AssetExecutionContext
    lake: LakeResource
    registry: RegistryResource
    choice: Choice
    dataset_id: str | None = None
    search: SearchSettings | None = None
    cutoff: date | None = None

    @cached_property
    def manifest(self) -> Manifest:
        """The dataset, looked up once: another one may be cut while a training waits for its place."""
        return self.lake.store.dataset(self.program.model.dataset.name, self.dataset_id)[1]

    @property
    def tags(self) -> dict[str, str]:
        return {**run_tags(self.context), "compute": self.choice.name}

    def spec(self, *, device: str, fallback_to_cpu: bool = False) -> TrainingSpec:
        """What a worker is told."""
        return TrainingSpec(
            program=self.program.reference,
            dataset_id=None if self.cutoff else self.manifest.id,
            device=device,
            fallback_to_cpu=fallback_to_cpu,
            threads=self.choice.profile.threads,
            tags=self.tags,
            search=self.search,
            cutoff=self.cutoff,
        )

    def answer(self, said: Mapping[str, Any] | None, cause: str) -> Mapping[str, Any]:
        """What a worker told of what it has done.

        Args:
            said: what the worker reported last, if anything.
            cause: why it died, if it did.

        Raises:
            TrainingFailedError: it did nothing; the error says why, in the words of the worker if it had some.
        """
        name = self.program.model.name
        if said is None:
            raise TrainingFailedError(f"The training of '{name}' with {self.choice} died. {cause}")
        if "failed" in said:
            raise TrainingFailedError(str(said["failed"]))
        return said


def said_by_worker(messages: Sequence[object]) -> Mapping[str, Any] | None:
    """What the worker told of its end; messages that a program reports by itself are not its."""
    told = [message[RESULT] for message in messages if isinstance(message, Mapping) and RESULT in message]
    return told[-1] if told else None


def addresses(lake: LakeResource, registry: RegistryResource) -> dict[str, str]:
    """The variables by which another process on this machine finds the same stores, empty where a default holds."""
    return {
        "FTI_DATA_DIR": str(lake.store.root.resolve()),
        "FTI_LAKE_CATALOG": lake.catalog or os.environ.get("FTI_LAKE_CATALOG", ""),
        "FTI_LAKE_DATA": lake.data or os.environ.get("FTI_LAKE_DATA", ""),
        "MLFLOW_TRACKING_URI": registry.registry.tracking_uri,
    }


def import_path() -> str:
    """Where this process finds modules besides installed packages, so that another interpreter finds the same programs."""
    installed = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders = [Path(entry or os.curdir).resolve() for entry in sys.path]
    own = [one for one in folders if one.is_dir() and not any(one.is_relative_to(place) for place in installed)]
    return os.pathsep.join(str(one) for one in dict.fromkeys(own) if one.name not in ("site-packages", "dist-packages"))
