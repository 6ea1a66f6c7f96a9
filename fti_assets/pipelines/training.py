"""Training as an asset: a challenger is trained, evaluated on every split, logged and registered."""

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace

import dagster as dg
from pydantic import Field

from fti_assets.feature_store import Manifest
from fti_assets.model_registry import ModelVersion
from fti_assets.pipelines.compute import run_training
from fti_assets.pipelines.specs import asset_key, dataset_spec, model_spec
from fti_assets.pipelines.training_asset import Metadata, PlaceConfig, training_asset
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import REPORTED, TrainingProgram, without_pictures

_BESIDE = ("auc_low_test", "auc_high_test", "worst_slice_auc_test", "baseline_auc_test", "threshold", "cost_test", "best_iteration")


class TrainingConfig(PlaceConfig):
    """Run configuration of a training."""

    dataset_id: str | None = Field(default=None, description="Version of the training dataset; the newest unless given.")


@dataclass(frozen=True, slots=True)
class TrainingPipeline:
    """Runs a training program as the asset of its model.

    Attributes:
        job: name of the job that runs it; that of its location when None.
    """

    program: TrainingProgram
    job: str | None = None

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [dataset_spec(self.program.model.dataset)]

    def assets(self) -> list[dg.AssetsDefinition]:
        model = self.program.model
        spec = model_spec(model, kinds={self.program.framework, "mlflow"}, deps=[asset_key(model.dataset.asset_key)])

        @training_asset(self.program, spec, TrainingConfig)
        def fit(task: TrainingTask, config: TrainingConfig) -> Metadata:
            task = replace(task, dataset_id=config.dataset_id)
            done, registry = run_training(task), task.registry.registry
            card, run_url = registry.card(done.version), registry.run_url(done.version)
            return _metadata(run_url, done.version, task.manifest, done.pictures, card)

        return [fit]


def training_pipeline(program: TrainingProgram, *, job: str | None = None) -> TrainingPipeline:
    """The asset of a model: its program trains a challenger on the newest version of its training dataset.

    Args:
        program: what trains.
        job: name of a job of its own, without schedule; the location's job runs it unless given.
    """
    return TrainingPipeline(program, job)


def _metadata(run_url: str, version: ModelVersion, manifest: Manifest, pictures: Mapping[str, bytes], card: str) -> Metadata:
    address = os.environ.get("FTI_MLFLOW_URL", "http://127.0.0.1:5000")
    return {
        "version": version.version,
        "mlflow_run": dg.MetadataValue.url(f"{address}/{run_url}"),
        "dataset_id": manifest.id,
        "snapshot": manifest.snapshot,
        **{f"{name}_test": version.metrics[f"{name}_test"] for name in REPORTED},
        **{name: version.metrics[name] for name in _BESIDE if name in version.metrics},
        "card": dg.MetadataValue.md(without_pictures(card)),
        **{name: picture(content, name) for name, content in pictures.items()},
    }


def picture(content: bytes, name: str) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows inside the metadata."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{b64encode(content).decode()})")
