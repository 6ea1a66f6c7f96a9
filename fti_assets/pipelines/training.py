"""Training and model validation as assets: a challenger is trained, then judged against the champion."""

import inspect
import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
import numpy as np
import pyarrow as pa
from pydantic import Field

from fti_assets.errors import DefinitionError, FtiError, NotFoundError
from fti_assets.feature_store import Manifest
from fti_assets.model_registry import DatasetReference, ModelVersion, TrainingRecord
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import GPU, GPU_TAGS, asset_key, dataset_spec
from fti_assets.training import (
    BaseRateTable,
    Evaluation,
    FittedModel,
    TrainingData,
    Verdict,
    binary_metrics,
    evaluate,
    figures,
    judge,
    slices_table,
)
from fti_assets.version import code_version
from fti_assets.vocabulary import SPLITS, Model

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

    def __call__(self, *arguments: Any, **named: Any) -> FittedModel:
        return self.function(*arguments, **named)

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [dataset_spec(self.model.dataset)]

    def assets(self) -> list[dg.AssetsDefinition]:
        gpu = self.model.needs_gpu

        @dg.asset(
            key=asset_key(self.model.asset_key),
            deps=[asset_key(self.model.dataset.asset_key)],
            description=self.model.description or None,
            group_name="models",
            owners=[self.model.owner],
            kinds={*self.kinds, "mlflow"},
            tags=GPU_TAGS if gpu else {},
            op_tags=GPU_TAGS if gpu else {},
            pool=GPU if gpu else None,
        )
        def train(
            context: dg.AssetExecutionContext, config: TrainingConfig, lake: LakeResource, registry: RegistryResource
        ) -> dg.MaterializeResult:  # type: ignore[type-arg]
            try:
                return self._train(context, config, lake, registry)
            except FtiError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return [train]

    def _train(
        self, context: dg.AssetExecutionContext, config: TrainingConfig, lake: LakeResource, registry: RegistryResource
    ) -> "dg.MaterializeResult[Any]":
        folder, manifest = lake.store.dataset(self.model.dataset.name, config.dataset_id)
        data = TrainingData(folder, self.model.view)
        wanted = inspect.signature(self.function).parameters
        fitted = self.function(
            **{name: value for name, value in {"data": data, "progress": context.log.info}.items() if name in wanted}
        )
        evaluations = {
            split: evaluate(fitted.model, data, self.model.slices if split == "test" else (), split=split) for split in SPLITS
        }
        baseline = self._baseline(data)
        pictures = _pictures(fitted, evaluations["test"], baseline)
        record = _record(self.model, data, manifest, fitted, evaluations, baseline, pictures, context.run.run_id)
        version = registry.registry.log_training(self.model, record)
        return dg.MaterializeResult(metadata=_metadata(registry, version, manifest, evaluations["test"], pictures))

    def _baseline(self, data: TrainingData) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """Scores of the test split by a table of base rates."""
        if not self.baseline:
            return None
        columns = list(self.baseline)
        table = BaseRateTable(columns).fit(data.split("train", columns), data.labels("train"))
        return table.predict(data.split("test", columns))


@dataclass(frozen=True, slots=True)
class ModelValidationPipeline:
    """Judges the challenger on the test split of the dataset that it was trained from, and promotes it if it passes its gates."""

    model: Model

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [model_spec(self.model)]

    def assets(self) -> list[dg.AssetsDefinition]:
        key = asset_key(self.model.validation_key)
        spec = dg.AssetSpec(
            key,
            deps=[asset_key(self.model.asset_key)],
            description="The challenger against the champion on the same held-out rows; promoted when every gate is passed.",
            group_name="models",
            owners=[self.model.owner],
            kinds={"mlflow"},
        )
        checks = [
            dg.AssetCheckSpec(
                gate.name,
                asset=key,
                blocking=True,
                metadata={name: value for name, value in asdict(gate).items() if value is not None},
            )
            for gate in self.model.gates
        ]

        @dg.multi_asset(name="__".join(self.model.validation_key), specs=[spec], check_specs=checks)
        def validate(context: dg.AssetExecutionContext, lake: LakeResource, registry: RegistryResource) -> Iterator[Outcome]:
            try:
                yield from self._validate(context, lake, registry)
            except FtiError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return [validate]

    def _validate(self, context: dg.AssetExecutionContext, lake: LakeResource, registry: RegistryResource) -> Iterator[Outcome]:
        store, models, key = lake.store, registry.registry, asset_key(self.model.validation_key)
        challenger = models.load(self.model.name, "challenger")
        folder, manifest = store.dataset(self.model.dataset.name, challenger.version.tags["dataset_id"])
        data = TrainingData(folder, self.model.view)
        measured = evaluate(challenger, data, self.model.slices)
        champion = self._champion(models)
        before = evaluate(champion, data, self.model.slices) if champion else None
        verdict = judge(self.model.gates, measured, before)
        self._decide(models, challenger.version, verdict, measured)
        context.log.info(verdict.reason)
        for result in verdict.results:
            metadata = {"observed": result.observed, **({"required": result.required} if result.required is not None else {})}
            yield dg.AssetCheckResult(
                asset_key=key, check_name=result.gate.name, passed=result.passed, description=result.sentence, metadata=metadata
            )
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "promoted": verdict.promoted,
                "reason": verdict.reason,
                "challenger": challenger.version.version,
                "champion_before": champion.version.version if champion else "none",
                "dataset_id": manifest.id,
                "metrics": dg.MetadataValue.md(_comparison(measured, before)),
                "slices": dg.MetadataValue.md(_slices(measured)),
                **{f"{name}": measured.metrics[name] for name in REPORTED[:3]},
            },
        )

    def _champion(self, models: Any) -> Any:
        try:
            return models.load(self.model.name, "champion")
        except NotFoundError:
            return None

    def _decide(self, models: Any, version: ModelVersion, verdict: Verdict, measured: Evaluation) -> None:
        shown = {name: measured.metrics[name] for name in REPORTED}
        if verdict.promoted:
            models.promote(self.model.name, version.version, reason=verdict.reason, figures=shown)
        else:
            models.reject(self.model.name, version.version, verdict.reason, shown)


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


def model_validation(model: Model) -> ModelValidationPipeline:
    """The asset that judges the challenger of a model and promotes it, or says why not."""
    return ModelValidationPipeline(model)


def model_spec(model: Model) -> dg.AssetSpec:
    """The asset of a model, as locations show it that do not make it."""
    return dg.AssetSpec(
        asset_key(model.asset_key), description=model.description, group_name="models", owners=[model.owner], kinds={"mlflow"}
    )


def validation_spec_of(model: Model) -> dg.AssetSpec:
    return dg.AssetSpec(asset_key(model.validation_key), group_name="models", owners=[model.owner], kinds={"mlflow"})


def _record(
    model: Model,
    data: TrainingData,
    manifest: Manifest,
    fitted: FittedModel,
    evaluations: Mapping[str, Evaluation],
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
    registry: RegistryResource, version: ModelVersion, manifest: Manifest, test: Evaluation, pictures: Mapping[str, bytes]
) -> dict[str, RawMetadataValue]:
    address = os.environ.get("FTI_MLFLOW_URL", "http://127.0.0.1:5000")
    return {
        "version": version.version,
        "mlflow_run": dg.MetadataValue.url(f"{address}/{registry.registry.run_url(version)}"),
        "dataset_id": manifest.id,
        "snapshot": manifest.snapshot,
        **{f"{name}_test": test.metrics[name] for name in REPORTED},
        **{name: version.metrics[name] for name in ("baseline_auc_test", "best_iteration") if name in version.metrics},
        **{name: picture(content, name) for name, content in pictures.items()},
    }


def picture(content: bytes, name: str) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows inside the metadata."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{b64encode(content).decode()})")


def _comparison(challenger: Evaluation, champion: Evaluation | None) -> str:
    lines = ["| metric | challenger | champion |", "| --- | ---: | ---: |"]
    for name in REPORTED:
        before = f"{champion.metrics[name]:.4f}" if champion else "none"
        lines.append(f"| {name} | {challenger.metrics[name]:.4f} | {before} |")
    return "\n".join(lines)


def _slices(evaluation: Evaluation) -> str:
    table: pa.Table = slices_table(evaluation.slices)
    lines = ["| slice | rows | AUC | base rate | mean prediction |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row['column']} {row['value']} | {row['rows']:,} | {row['auc']:.3f} | {row['base_rate']:.3f} | {row['mean_prediction']:.3f} |"
        for row in table.to_pylist()
    ]
    return "\n".join(lines)
