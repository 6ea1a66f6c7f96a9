"""Rolling-origin backtest: the same program trained as if today were one of several days, each judged on its own last days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from fti_assets.feature_store import FeatureStore, Manifest
from fti_assets.model_registry import ModelRegistry
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation import evaluate
from fti_assets.training.program import TrainingProgram
from fti_assets.training.run import TrainingRun
from fti_assets.training.training import REPORTED
from fti_assets.version import code_version
from fti_assets.vocabulary import TrainingDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One cut-off of a backtest.

    Attributes:
        cutoff: day before which rows and labels counted; the last days before it were the test.
        metrics: figures on the test split, those of `REPORTED`, and `rows`.
    """

    cutoff: date
    manifest: Manifest
    metrics: Mapping[str, float]


def backtest_dataset(program: TrainingProgram) -> TrainingDataset:
    """The dataset as backtests cut it: under a name of its own, so that no training takes an old cut for the newest."""
    dataset = program.model.dataset
    return replace(dataset, name=f"{dataset.name}_backtest")


def backtest(
    program: TrainingProgram,
    store: FeatureStore,
    registry: ModelRegistry,
    cutoff: date,
    *,
    run: TrainingRun | None = None,
    tags: Mapping[str, str] | None = None,
) -> Origin:
    """Trains on what was known before the day `cutoff` and measures the model on the test days before it; registers no version.

    The figures become one MLflow run, which replaces the run of an earlier backtest with this cut-off.

    Args:
        program: what is run.
        store: the dataset is cut from its newest snapshot; corrections that were published later are part of it.
        registry: gets the run.
        cutoff: day before which rows and labels count.
        run: device, seed, threads, and who is told how it goes.
        tags: written on the run.

    Raises:
        DefinitionError: no day is left to train on.
        MissingFeaturesError: a split has no labelled row.
    """
    run = run or TrainingRun()
    folder, manifest = store.cut(backtest_dataset(program), cutoff, code_version=code_version())
    data = TrainingData.of(program.model, folder)
    fitted = program(data, run)
    measured = evaluate(fitted.model, data).metrics
    metrics = {**{name: measured[name] for name in REPORTED}, "rows": float(data.rows["test"])}
    about = {"dataset_id": manifest.id, **(tags or {})}
    registry.log_backtest(program.model, cutoff=cutoff, params=fitted.params, metrics=metrics, tags=about)
    return Origin(cutoff=cutoff, manifest=manifest, metrics=metrics)
