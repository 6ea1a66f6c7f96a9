"""The decision about a challenger as an asset: judged against the champion on the same held-out rows, promoted or rejected."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from fti_assets.errors import NotFoundError
from fti_assets.model_registry import CHALLENGER, CHAMPION, LoadedModel, ModelRegistry, ModelVersion
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import asset_key, model_spec
from fti_assets.pipelines.training import REPORTED
from fti_assets.training import Evaluation, GateResult, TrainingData, Verdict, evaluate, judge, slices_table
from fti_assets.vocabulary import Model


@dataclass(frozen=True, slots=True)
class ModelValidationPipeline:
    """Judges the challenger on the test split of the dataset that it was trained from, and promotes it if it passes its gates."""

    model: Model

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [model_spec(self.model)]

    def assets(self) -> list[dg.AssetsDefinition]:
        key = asset_key(self.model.validation_key)
        spec = decision_spec(self.model, deps=[asset_key(self.model.asset_key)])
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
            with told_plainly():
                yield from self._validate(context, lake, registry.registry)

        return [validate]

    def _validate(self, context: dg.AssetExecutionContext, lake: LakeResource, models: ModelRegistry) -> Iterator[Outcome]:
        key = asset_key(self.model.validation_key)
        challenger = models.load(self.model.name, CHALLENGER)
        champion = self._champion(models)
        folder, manifest = lake.store.dataset(self.model.dataset.name, challenger.version.tags["dataset_id"])
        data = TrainingData(folder, self.model.view)
        measured = evaluate(challenger, data, self.model.slices)
        before = evaluate(champion, data, self.model.slices) if champion else None
        verdict = judge(self.model.gates, measured, before)
        self._decide(models, challenger.version, verdict, measured)
        context.log.info(verdict.reason)
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
                **{name: measured.metrics[name] for name in REPORTED[:3]},
            },
            check_results=[_check(key, result) for result in verdict.results],
        )
        if not verdict.promoted:  # the blocking checks fail the run anyway, but do not say why
            raise dg.Failure(description=verdict.reason, allow_retries=False)

    def _champion(self, models: ModelRegistry) -> LoadedModel | None:
        try:
            return models.load(self.model.name, CHAMPION)
        except NotFoundError:
            return None

    def _decide(self, models: ModelRegistry, version: ModelVersion, verdict: Verdict, measured: Evaluation) -> None:
        shown = {name: measured.metrics[name] for name in REPORTED}
        if verdict.promoted:
            models.promote(self.model.name, version.version, reason=verdict.reason, figures=shown)
        else:
            models.reject(self.model.name, version.version, verdict.reason, shown)


def model_validation(model: Model) -> ModelValidationPipeline:
    """The asset that judges the challenger of a model and promotes it, or says why not."""
    return ModelValidationPipeline(model)


def decision_spec(model: Model, **options: Any) -> dg.AssetSpec:
    """The asset of the decision about a model, as its own location and every other one shows it."""
    return dg.AssetSpec(
        asset_key(model.validation_key),
        description="The challenger against the champion on the same held-out rows; promoted when every gate is passed.",
        group_name="models",
        owners=[model.owner],
        kinds={"mlflow"},
        **options,
    )


def _check(key: dg.AssetKey, result: GateResult) -> dg.AssetCheckResult:
    required = {} if result.required is None else {"required": result.required}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.gate.name,
        passed=result.passed,
        description=result.sentence,
        metadata={"observed": result.observed, **required},
    )


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
        f"| {row['column']} {row['value']} | {row['rows']:,} | {row['auc']:.3f} | {row['base_rate']:.3f} |"
        f" {row['mean_prediction']:.3f} |"
        for row in table.to_pylist()
    ]
    return "\n".join(lines)
