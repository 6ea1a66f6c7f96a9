"""Rolling-origin backtest as an asset: one partition for each cut-off, figures against time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.pipelines.compute import ComputeResource, run_backtest
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import GPU_TAGS, asset_key, dataset_spec, gpu_options
from fti_assets.pipelines.training import picture
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingProgram
from fti_assets.training.figures import over_cutoffs
from fti_assets.vocabulary import Daily


class BacktestConfig(dg.Config):
    """Run configuration of a backtest."""

    compute: str | None = Field(default=None, description="Profile of the place to train in; chosen as for the model unless given.")


@dataclass(frozen=True, slots=True)
class BacktestPipeline:
    """Trains a program as if today were each of some days, and measures it on what came after; registers nothing."""

    program: TrainingProgram
    cutoffs: tuple[str, ...]
    job: str

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [dataset_spec(self.program.model.dataset)]

    def assets(self) -> list[dg.AssetsDefinition]:
        model = self.program.model
        spec = dg.AssetSpec(
            asset_key(("models", f"{model.name}_backtest")),
            deps=[dg.AssetDep(asset_key(model.dataset.asset_key))],
            description=f"`{model.name}` trained as of each cut-off and measured on the days before it that its split tests.",
            group_name="models",
            owners=[model.owner],
            kinds={self.program.framework, "mlflow"},
            partitions_def=dg.StaticPartitionsDefinition(list(self.cutoffs)),
            tags=GPU_TAGS if model.needs_gpu else {},
        )

        @dg.multi_asset(
            name=f"models__{model.name}_backtest",
            specs=[spec],
            **gpu_options(model),
        )
        def look_back(
            context: dg.AssetExecutionContext,
            config: BacktestConfig,
            lake: LakeResource,
            registry: RegistryResource,
            compute: ComputeResource,
        ) -> dg.MaterializeResult:  # type: ignore[type-arg]
            with told_plainly():
                task = TrainingTask(
                    program=self.program,
                    context=context,
                    lake=lake,
                    registry=registry,
                    choice=compute.choose(config.compute, needs_gpu=model.needs_gpu),
                    cutoff=Daily.day(context.partition_key),
                )
                done = run_backtest(task)
                known = registry.registry.backtests(model.name)
                shown = {"over_time": picture(over_cutoffs(dict(known)), "backtest"), "table": _table(known)}
                about = {"compute": task.choice.name, "dataset_id": done.dataset_id}
                return dg.MaterializeResult(metadata={**about, **done.metrics, **shown})

        return [look_back]


def model_backtest(program: TrainingProgram, *, cutoffs: Sequence[str], job: str) -> BacktestPipeline:
    """The asset of a backtest of a program; it runs on request, by the job of that name.

    Args:
        program: what is trained.
        cutoffs: days (YYYY-MM-DD) before which rows and labels count, each a partition.
        job: name of the job.
    """
    return BacktestPipeline(program, tuple(Daily.day(cutoff).isoformat() for cutoff in cutoffs), job)


def _table(known: Sequence[tuple[date, dict[str, float]]]) -> RawMetadataValue:
    names = ("rows", "auc", "average_precision", "log_loss", "calibration_error", "base_rate")
    lines = [f"| cut-off | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for cutoff, metrics in known:
        values = [f"{metrics[name]:,.0f}" if name == "rows" else f"{metrics[name]:.4f}" for name in names]
        lines.append(f"| {cutoff.isoformat()} | {' | '.join(values)} |")
    return dg.MetadataValue.md("\n".join(lines))
