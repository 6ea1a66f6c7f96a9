"""One training from end to end: dataset, fitting, evaluation, MLflow run, challenger. The same in every place of execution."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from fti_assets.feature_store import FeatureStore, Manifest
from fti_assets.model_registry import DatasetReference, ModelRegistry, ModelVersion, TrainingRecord
from fti_assets.training.card import model_card
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation import Evaluation, slices_data
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.program import TrainingProgram
from fti_assets.training.report import Report, extra_metrics, measure, pictures
from fti_assets.training.run import TrainingRun
from fti_assets.version import code_version
from fti_assets.vocabulary import SplitName

REPORTED = ("auc", "average_precision", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")
"""The figures of a model that are logged, by split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of a training.

    Attributes:
        version: in the registry, with the alias `challenger`.
        manifest: of the training dataset.
        report: what was measured of it.
        pictures: PNG by name.
        card: the model card, in Markdown.
    """

    version: ModelVersion
    manifest: Manifest
    report: Report
    pictures: Mapping[str, bytes]
    card: str

    @property
    def evaluations(self) -> Mapping[SplitName, Evaluation]:
        """By split; slices and intervals on the test split."""
        return self.report.evaluations


def train(
    program: TrainingProgram,
    store: FeatureStore,
    registry: ModelRegistry,
    *,
    dataset_id: str | None = None,
    run: TrainingRun | None = None,
    tags: Mapping[str, str] | None = None,
) -> Trained:
    """Trains a challenger: fits it, evaluates it on every split, and registers it with pictures and lineage.

    Args:
        program: what is run.
        store: holds the training dataset.
        registry: gets the run and the version; if anything fails, no version exists.
        dataset_id: version of the training dataset; the newest unless given.
        run: device, seed, threads, and who is told how it goes.
        tags: written on the run and the version beside the lineage, such as `dagster_run_id`.

    Raises:
        NotFoundError: there is no such dataset.
        DeviceError: the device asked for is not there; nothing was read.
    """
    model, run = program.model, run or TrainingRun()
    folder, manifest = store.dataset(model.dataset.name, dataset_id)
    data = TrainingData.of(model, folder)
    with _checkpoints(store, program, manifest, run) as kept:
        return _train(program, data, manifest, registry, kept, tags or {})


def _train(
    program: TrainingProgram,
    data: TrainingData,
    manifest: Manifest,
    registry: ModelRegistry,
    run: TrainingRun,
    tags: Mapping[str, str],
) -> Trained:
    model, fitted = program.model, program(data, run)
    run.progress(f"evaluating on {sum(data.rows.values()):,} rows")
    report = measure(model, fitted, data, baseline=program.baseline, seed=run.seed)
    shown = pictures(report, fitted, model.costs)
    about = {**lineage(program, manifest), **tags}
    card = model_card(model, manifest, report, tags=about, pictures=shown)
    record = TrainingRecord(
        run_name=f"{model.name} {manifest.id}",
        model=fitted.model,
        features=data.feature_columns,
        example=data.example(),
        dataset=DatasetReference(
            name=f"{manifest.dataset}/{manifest.id}", digest=manifest.content_hash, source=str(data.folder), rows=manifest.rows
        ),
        params={**fitted.params, "seed": run.seed, "device": run.device, "threads": run.threads},
        metrics=_metrics(fitted, report),
        learning_curve=fitted.learning_curve,
        figures=shown,
        card=card,
        slices=slices_data(report.test.slices),
        tags=about,
    )
    run.progress("registering the challenger")
    version = registry.log_training(model, record)
    return Trained(version=version, manifest=manifest, report=report, pictures=shown, card=card)


@contextmanager
def _checkpoints(store: FeatureStore, program: TrainingProgram, manifest: Manifest, run: TrainingRun) -> Iterator[TrainingRun]:
    """The run with a folder for checkpoints, unless it has one: the same training, repeated after a kill, goes on from there.

    Of two at once, in whatever processes, the first has the folder, and the other keeps no checkpoints. What is in it goes when
    the training has ended well. Where nothing can be written none are kept: most trainers ask for no checkpoints.
    """
    folder = store.root / "checkpoints" / program.reference.replace(":", ".") / f"{manifest.id}-{run.seed}"
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    if run.checkpoints is not None or not _acquired(lock, run):
        yield run
        return
    try:
        yield replace(run, checkpoints=folder)
        shutil.rmtree(folder, ignore_errors=True)  # the version is there: what cannot be removed fails no training
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while it is held: one that opened it meanwhile sees that it is gone
        lock.release()


def _acquired(lock: FileLock, run: TrainingRun) -> bool:
    file = Path(lock.lock_file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        run.progress(f"no checkpoints are kept: {file} is held by another training of this program, dataset and seed")
    except OSError as error:
        run.progress(f"no checkpoints are kept: {error}")
    return lock.is_locked


def lineage(program: TrainingProgram, manifest: Manifest) -> dict[str, str]:
    """Where a version comes from, as it is written on it."""
    return {
        "dataset_id": manifest.id,
        "dataset_hash": manifest.content_hash,
        "snapshot": str(manifest.snapshot),
        "view_version": str(manifest.view_version),
        "groups": ", ".join(f"{name}_v{version}" for name, version in manifest.groups.items()),
        "code_version": code_version(),
        "program": program.reference,
    }


def _metrics(fitted: FittedModel, report: Report) -> dict[str, float]:
    metrics = {f"{name}_{split}": one.metrics[name] for split, one in report.evaluations.items() for name in REPORTED}
    if fitted.best_iteration is not None:
        metrics["best_iteration"] = float(fitted.best_iteration)
    return {**metrics, **extra_metrics(report)}
