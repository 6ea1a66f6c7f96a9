"""Hyperparameter search as an asset: trials on the validation split, the best one registered as the challenger."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.pipelines.compute import ComputeResource, SearchedVersion, run_search
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import GPU_TAGS, asset_key, dataset_spec, gpu_options
from fti_assets.pipelines.training import picture
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import SearchSettings, TrainingProgram, Trial
from fti_assets.training.figures import search_progress


class SearchConfig(dg.Config):
    """Run configuration of a search."""

    dataset_id: str | None = Field(default=None, description="Version of the training dataset; the newest unless given.")
    trials: int = Field(default=30, description="Trials in all; those of a search that was ended count.")
    workers: int = Field(default=1, description="Processes at once.")
    seed: int = Field(default=0, description="Of the sampler; another one begins another search.")
    compute: str | None = Field(
        default=None, description="Profile of the place to search in; chosen as for the model unless given."
    )


@dataclass(frozen=True, slots=True)
class SearchPipeline:
    """Searches the space of a training program."""

    program: TrainingProgram
    job: str

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [dataset_spec(self.program.model.dataset)]

    def assets(self) -> list[dg.AssetsDefinition]:
        model = self.program.model
        spec = dg.AssetSpec(
            asset_key(("models", f"{model.name}_search")),
            deps=[asset_key(model.dataset.asset_key)],
            description=f"Searches parameters for `{model.name}`; the best becomes its challenger.",
            group_name="models",
            owners=[model.owner],
            kinds={"optuna", "mlflow"},
            tags=GPU_TAGS if model.needs_gpu else {},
        )

        @dg.multi_asset(
            name=f"models__{model.name}_search",
            specs=[spec],
            **gpu_options(model),
        )
        def look(
            context: dg.AssetExecutionContext,
            config: SearchConfig,
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
                    dataset_id=config.dataset_id,
                    choice=compute.choose(config.compute, needs_gpu=model.needs_gpu),
                    search=SearchSettings(trials=config.trials, workers=config.workers, seed=config.seed),
                )
                return dg.MaterializeResult(metadata={"compute": task.choice.name, **_metadata(run_search(task))})

        return [look]


def hyperparameter_search(program: TrainingProgram, *, job: str) -> SearchPipeline:
    """The asset of a search over the space of a program; it runs on request, by the job of that name."""
    return SearchPipeline(program, job)


def _metadata(found: SearchedVersion) -> dict[str, RawMetadataValue]:
    states = [trial.state for trial in found.trials]
    return {
        "version": found.version.version,
        "trials": len(states),
        "pruned": states.count("pruned"),
        "failed": states.count("failed"),
        "best_log_loss_validation": found.best.loss or float("nan"),
        "auc_test": found.version.metrics["auc_test"],
        "best": dg.MetadataValue.json(dict(found.best.params)),
        "table": dg.MetadataValue.md(_table(found.trials)),
        "progress": picture(search_progress([trial.loss for trial in found.trials]), "search"),
    }


def _table(trials: Sequence[Trial], most: int = 10) -> str:
    best = sorted((trial for trial in trials if trial.loss is not None), key=lambda trial: trial.loss or 0.0)[:most]
    names = list(dict.fromkeys(name for trial in best for name in trial.params))
    lines = [f"| trial | log loss | state | {' | '.join(names)} |", f"|{' ---: |' * (3 + len(names))}"]
    for trial in best:
        values = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in (trial.params.get(n) for n in names)]
        lines.append(f"| {trial.number} | {trial.loss:.4f} | {trial.state} | {' | '.join(values)} |")
    return "\n".join(lines)
