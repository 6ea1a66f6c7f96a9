"""Training as an asset: a challenger is trained, evaluated on every split, logged and registered."""

import inspect
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import Manifest
from fti_assets.model_registry import DatasetReference, ModelVersion, TrainingRecord
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import GPU, GPU_TAGS, asset_key, dataset_spec, model_spec
from fti_assets.training import (
    BaseRateTable,
    Evaluation,
    FittedModel,
    TrainingData,
    binary_metrics,
    evaluate,
    figures,
)
from fti_assets.version import code_version
from fti_assets.vocabulary import SPLITS, Model, SplitName

Progress = Callable[[str], None]
REPORTED = ("auc", "average_precision", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")


class TrainingConfig(dg.Config):
    """Run configuration of a training."""

    dataset_id: str | None = Field(default=None, description="Version of the training dataset; the newest unless given.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPipeline:
    """One function that fits a model; called, it is that function.

    Attributes:
        function: takes `data` (TrainingData) and, if it wants to, `progress` (a function of one line of text).
        baseline: features by whose base rates the model is compared; none compares with nothing.
        kinds: shown as icons in the UI.
    """

    model: Model
    function: Callable[..., FittedModel]
    baseline: tuple[str, ...]
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = [name for name in inspect.signature(self.function).parameters if name not in ("data", "progress")]
        if unknown:
            raise DefinitionError(
                f"The training pipeline of model '{self.model.name}' asks for {', '.join(map(repr, unknown))}.",
                next_step="It may take `data` and `progress`.",
            )

    def __call__(self, *arguments: Any, **named: Any) -> FittedModel:
        return self.function(*arguments, **named)

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [dataset_spec(self.model.dataset)]

    def assets(self) -> list[dg.AssetsDefinition]:
        gpu = self.model.needs_gpu

        @dg.multi_asset(
            name="__".join(self.model.asset_key),
            specs=[
                model_spec(self.model, kinds={*self.kinds, "mlflow"}, deps=[asset_key(self.model.dataset.asset_key)]),
            ],
            op_tags=GPU_TAGS if gpu else {},
            pool=GPU if gpu else None,
        )
        def train(
            context: dg.AssetExecutionContext, config: TrainingConfig, lake: LakeResource, registry: RegistryResource
        ) -> dg.MaterializeResult:  # type: ignore[type-arg]
            with told_plainly():
                return self._train(context, config, lake, registry)

        return [train]

    def _train(
        self, context: dg.AssetExecutionContext, config: TrainingConfig, lake: LakeResource, registry: RegistryResource
    ) -> "dg.MaterializeResult[Any]":
        folder, manifest = lake.store.dataset(self.model.dataset.name, config.dataset_id)
        data = TrainingData(folder, self.model.view)
        wanted = inspect.signature(self.function).parameters
        offered: dict[str, Any] = {"data": data, "progress": context.log.info}
        fitted = self.function(**{name: offered[name] for name in wanted})
        evaluations = {
            split: evaluate(fitted.model, data, self.model.slices if split == "test" else (), split=split) for split in SPLITS
        }
        baseline = self._baseline(data)
        pictures = _pictures(fitted, evaluations["test"], baseline)
        record = _record(self.model, data, manifest, fitted, evaluations, baseline, pictures, context.run.run_id)
        models = registry.registry
        version = models.log_training(self.model, record)
        return dg.MaterializeResult(metadata=_metadata(models.run_url(version), version, manifest, evaluations["test"], pictures))

    def _baseline(self, data: TrainingData) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """Scores of the test split by a table of base rates."""
        if not self.baseline:
            return None
        table = BaseRateTable(self.baseline).fit(data.split("train", self.baseline), data.labels("train"))
        return table.predict(data.split("test", self.baseline))


def training_pipeline(
    model: Model, *, baseline: tuple[str, ...] = (), kinds: tuple[str, ...] = ("xgboost",)
) -> Callable[[Callable[..., FittedModel]], TrainingPipeline]:
    """Makes a model: the function takes `data` (TrainingData) and `progress`, and returns a FittedModel.

    What it returns is evaluated on every split, logged to MLflow with pictures and lineage, and registered as challenger.

    Args:
        model: the contract of the model.
        baseline: features by whose base rates a simple table is made, to be compared with.
        kinds: shown as icons in the UI.
    """
    unknown = [name for name in baseline if name not in model.view.feature_names]
    if unknown:
        raise DefinitionError(f"The baseline of model '{model.name}' names {', '.join(unknown)}, which its view lacks.")

    def decorate(function: Callable[..., FittedModel]) -> TrainingPipeline:
        return TrainingPipeline(model=model, function=function, baseline=baseline, kinds=kinds)

    return decorate


def _record(
    model: Model,
    data: TrainingData,
    manifest: Manifest,
    fitted: FittedModel,
    evaluations: Mapping[SplitName, Evaluation],
    baseline: np.ndarray[Any, np.dtype[np.float64]] | None,
    pictures: Mapping[str, bytes],
    run: str,
) -> TrainingRecord:
    metrics = {
        f"{name}_{split}": value for split, one in evaluations.items() for name, value in one.metrics.items() if name in REPORTED
    }
    if baseline is not None:
        metrics["baseline_auc_test"] = binary_metrics(data.labels("test"), baseline)["auc"]
    if fitted.best_iteration is not None:
        metrics["best_iteration"] = float(fitted.best_iteration)
    return TrainingRecord(
        run_name=f"{model.name} {manifest.id}",
        model=fitted.model,
        features=data.feature_columns,
        example=data.example(),
        dataset=DatasetReference(
            name=f"{manifest.dataset}/{manifest.id}", digest=manifest.content_hash, source=str(data.folder), rows=manifest.rows
        ),
        params=fitted.params,
        metrics=metrics,
        learning_curve=fitted.learning_curve,
        figures=pictures,
        tags={
            "dagster_run_id": run,
            "dataset_id": manifest.id,
            "dataset_hash": manifest.content_hash,
            "snapshot": str(manifest.snapshot),
            "view_version": str(manifest.view_version),
            "groups": ", ".join(f"{name}_v{version}" for name, version in manifest.groups.items()),
            "code_version": code_version(),
        },
    )


def _pictures(fitted: FittedModel, test: Evaluation, baseline: np.ndarray[Any, np.dtype[np.float64]] | None) -> dict[str, bytes]:
    assert test.label is not None
    assert test.score is not None
    pictures = {"roc": figures.roc(test.label, test.score, baseline), "calibration": figures.calibration(test.label, test.score)}
    if fitted.feature_importance:
        pictures["feature_importance"] = figures.feature_importance(fitted.feature_importance)
    if fitted.learning_curve:
        pictures["learning_curve"] = figures.learning_curve(fitted.learning_curve, fitted.best_iteration)
    return pictures


def _metadata(
    run_url: str, version: ModelVersion, manifest: Manifest, test: Evaluation, pictures: Mapping[str, bytes]
) -> dict[str, RawMetadataValue]:
    address = os.environ.get("FTI_MLFLOW_URL", "http://127.0.0.1:5000")
    return {
        "version": version.version,
        "mlflow_run": dg.MetadataValue.url(f"{address}/{run_url}"),
        "dataset_id": manifest.id,
        "snapshot": manifest.snapshot,
        **{f"{name}_test": test.metrics[name] for name in REPORTED},
        **{name: version.metrics[name] for name in ("baseline_auc_test", "best_iteration") if name in version.metrics},
        **{name: picture(content, name) for name, content in pictures.items()},
    }


def picture(content: bytes, name: str) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows inside the metadata."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{b64encode(content).decode()})")
