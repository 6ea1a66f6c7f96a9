"""The decision about a challenger as an asset: judged against the champion on the same held-out rows, promoted or rejected."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from fti_assets.model_registry import ModelRegistry
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import asset_key, model_spec
from fti_assets.training import REPORTED, Evaluation, GateResult, judge_challenger, metrics_table, slices_report, worst_slice
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
        judged = judge_challenger(self.model, lake.store, models)
        measured, verdict, champion = judged.measured, judged.verdict, judged.champion
        judged.carry_out(models, run=context.run.run_id)
        context.log.info(judged.reason)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "promoted": verdict.promoted,
                "reason": judged.reason,
                "challenger": judged.challenger.version,
                "champion_before": champion.version if champion else "none",
                "dataset_id": judged.manifest.id,
                "metrics": dg.MetadataValue.md(metrics_table(measured, judged.before)),
                **_worst(self.model, measured),
                "slices": dg.MetadataValue.md(slices_report(measured)),
                **{name: measured.metrics[name] for name in REPORTED[:3]},
            },
            check_results=[_check(key, result) for result in verdict.results],
        )
        if not verdict.promoted:  # the blocking checks fail the run anyway, but do not say why
            raise dg.Failure(description=verdict.reason, allow_retries=False)


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
    found = result.comparison
    improvement: dict[str, str | float] = {} if found is None else {"improvement": str(found.improvement), "p_value": found.p_value}
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.gate.name,
        passed=result.passed,
        description=result.sentence,
        metadata={"observed": result.observed, **required, **improvement},
    )


def _worst(model: Model, measured: Evaluation) -> dict[str, str]:
    found = worst_slice(measured.slices, model.slice_rows)
    return {} if found is None else {"worst_slice": f"{found}: AUC {found.auc}, {found.rows:,} rows"}
