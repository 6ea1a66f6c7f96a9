"""Hyperparameter search as an asset: trials on the validation split, the best one registered as the challenger."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import dagster as dg
from pydantic import Field

from fti_assets.pipelines.compute import SearchedVersion, run_search
from fti_assets.pipelines.specs import asset_key, dataset_spec, model_spec
from fti_assets.pipelines.training import picture
from fti_assets.pipelines.training_asset import Metadata, PlaceConfig, training_asset
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import SearchSettings, TrainingProgram, Trial
from fti_assets.training.figures import search_progress


class SearchConfig(PlaceConfig):
    """Run configuration of a search."""

    dataset_id: str | None = Field(default=None, description="Version of the training dataset; the newest unless given.")
    trials: int = Field(default=30, description="Trials in all; those of a search that was ended count.")
    workers: int = Field(default=1, description="Processes at once.")
    seed: int = Field(default=0, description="Of the sampler; another one begins another search.")


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
        spec = model_spec(
            model,
            "search",
            deps=[asset_key(model.dataset.asset_key)],
            description=f"Searches parameters for `{model.name}`; the best becomes its challenger.",
            kinds={"optuna", "mlflow"},
        )

        @training_asset(self.program, spec, SearchConfig)
        def look(task: TrainingTask, config: SearchConfig) -> Metadata:
            settings = SearchSettings(trials=config.trials, workers=config.workers, seed=config.seed)
            return _metadata(run_search(replace(task, dataset_id=config.dataset_id, search=settings)))

        return [look]


def hyperparameter_search(program: TrainingProgram, *, job: str) -> SearchPipeline:
    """The asset of a search over the space of a program; it runs on request, by the job of that name."""
    return SearchPipeline(program, job)


def _metadata(found: SearchedVersion) -> Metadata:
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
