"""Rolling-origin backtest as an asset: one partition for each cut-off, figures against time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue

from fti_assets.pipelines.compute import run_backtest
from fti_assets.pipelines.specs import asset_key, dataset_spec, model_spec
from fti_assets.pipelines.training import picture
from fti_assets.pipelines.training_asset import Metadata, PlaceConfig, training_asset
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingProgram
from fti_assets.training.figures import over_cutoffs
from fti_assets.vocabulary import Daily


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
        spec = model_spec(
            model,
            "backtest",
            deps=[asset_key(model.dataset.asset_key)],
            description=f"`{model.name}` trained as of each cut-off and measured on the days before it that its split tests.",
            kinds={self.program.framework, "mlflow"},
            partitions_def=dg.StaticPartitionsDefinition(list(self.cutoffs)),
        )

        @training_asset(self.program, spec, PlaceConfig)
        def look_back(task: TrainingTask, config: PlaceConfig) -> Metadata:  # noqa: ARG001 - it configures the place only
            done = run_backtest(replace(task, cutoff=Daily.day(task.context.partition_key)))
            known = task.registry.registry.backtests(model.name)
            shown = {"over_time": picture(over_cutoffs(dict(known)), "backtest"), "table": _table(known)}
            return {"dataset_id": done.dataset_id, **done.metrics, **shown}

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
