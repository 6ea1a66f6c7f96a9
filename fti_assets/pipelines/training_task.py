"""What the asset of a model hands to the place where its training runs."""

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg

from fti_assets.compute import Choice
from fti_assets.errors import FtiError
from fti_assets.feature_store import Manifest
from fti_assets.model_registry import ModelVersion
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.training import TrainingProgram, TrainingSpec


class TrainingFailedError(FtiError):
    """A training in another process ended without a model."""


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """A training that is to be done for the asset of its model.

    Attributes:
        dataset_id: version of the training dataset; the newest unless given.
        choice: the place where it is to run.
    """

    program: TrainingProgram
    context: dg.AssetExecutionContext
    lake: LakeResource
    registry: RegistryResource
    dataset_id: str | None
    choice: Choice

    @cached_property
    def manifest(self) -> Manifest:
        """The dataset, looked up once: another one may be cut while a training waits for its place."""
        return self.lake.store.dataset(self.program.model.dataset.name, self.dataset_id)[1]

    @property
    def tags(self) -> dict[str, str]:
        return {"dagster_run_id": self.context.run.run_id, "compute": self.choice.name}

    def spec(self, *, device: str, fallback_to_cpu: bool = False) -> TrainingSpec:
        """What a worker is told. Its checkpoints are found again by a repetition: same model, dataset and seed."""
        made = TrainingSpec(
            program=self.program.reference,
            dataset_id=self.manifest.id,
            device=device,
            fallback_to_cpu=fallback_to_cpu,
            threads=self.choice.profile.threads,
            tags=self.tags,
        )
        folder = Path("checkpoints") / self.program.model.name / f"{made.dataset_id}-{made.seed}"
        return made.model_copy(update={"checkpoints": folder})

    def version(self, said: Mapping[str, object] | None, cause: str) -> ModelVersion:
        """The version that a worker made.

        Args:
            said: what the worker reported last, if anything.
            cause: why it died, if it did.

        Raises:
            TrainingFailedError: it made none; the error says why, in the words of the worker if it had some.
        """
        name = self.program.model.name
        if said is None:
            raise TrainingFailedError(f"The training of '{name}' with {self.choice} died. {cause}")
        if "failed" in said:
            raise TrainingFailedError(str(said["failed"]))
        return self.registry.registry.get(name, str(said["version"]))


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
