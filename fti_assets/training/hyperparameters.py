"""Hyperparameter search with Optuna: resumable, pruned, in several processes; the best becomes the challenger."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import LoggedTrial, ModelRegistry
from fti_assets.training.data import TrainingData
from fti_assets.training.program import TrainingProgram
from fti_assets.training.run import TrainingRun
from fti_assets.training.training import Trained, train
from fti_assets.training.trials import MATRICES, SearchJob, SearchSettings, Trial, run_trials, trials_of

CHECKPOINTS = "checkpoints"
"""Folder of a search in which the training of its best keeps its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What came of a search: every trial, and the challenger that was trained with the best one's parameters."""

    trials: tuple[Trial, ...]
    best: Trial
    trained: Trained


def search(
    program: TrainingProgram,
    store: FeatureStore,
    registry: ModelRegistry,
    settings: SearchSettings,
    *,
    dataset_id: str | None = None,
    run: TrainingRun | None = None,
    tags: Mapping[str, str] | None = None,
) -> Searched:
    """Searches the program's space on one dataset, then trains and registers the best as the challenger.

    A search that was ended or killed goes on where it was when it is called again with the same dataset, seed and space. Trials are
    judged on the validation split; the test split is read once, for the challenger.

    Args:
        program: has a `space`.
        store: holds the training dataset.
        registry: gets one run for the search, one nested run for each trial, and the version.
        settings: number of trials and workers.
        dataset_id: version of the training dataset; the newest unless given.
        run: device, threads, seed, and who is told how it goes.
        tags: written on the version.

    Raises:
        DefinitionError: the program has no space to search.
        FtiError: every trial failed, or another process is searching the same.
    """
    if program.space is None:
        raise DefinitionError(
            f"Training program '{program.reference}' has no space to search.",
            next_step="Give @training_program a `space`: a function of an Optuna trial that returns a trainer.",
        )
    run = run or TrainingRun()
    folder, manifest = store.dataset(program.model.dataset.name, dataset_id)
    place = store.root / "searches" / program.model.name / f"{manifest.id}-{settings.seed}-{_fingerprint(program, run)}"
    place.mkdir(parents=True, exist_ok=True)
    job = SearchJob(program.reference, folder, place, settings, run.device, _threads(run, settings), run.seed)
    with _only_one(place):
        try:
            run_trials(job, run)
        finally:
            trials = trials_of(job)
            if trials:
                registry.log_search(program.model, name=place.name, trials=[_logged(trial) for trial in trials])
        best = _best(trials)
        run.progress(f"best of {len(trials)} trials: number {best.number}, log loss {best.loss:.4f}")
        chosen = replace(program, function=_of_params(program, best.params))
        about = {"search": place.name, "search_trials": str(len(trials)), **(tags or {})}
        kept = run.checkpoints or place / CHECKPOINTS / str(best.number)  # of this trainer alone
        alike = replace(run, workspace=place / MATRICES, checkpoints=kept, threads=job.threads)  # as the trial was trained
        trained = train(chosen, store, registry, dataset_id=manifest.id, run=alike, tags=about)
        for done in (MATRICES, CHECKPOINTS):
            shutil.rmtree(place / done, ignore_errors=True)
    return Searched(trials=trials, best=best, trained=trained)


def _fingerprint(program: TrainingProgram, run: TrainingRun) -> str:
    """What must be the same for a search to go on: another space, or other transformations, are another search."""
    assert program.space is not None
    said = [inspect.getsource(program.space), repr(program.model.transformations), run.device, str(run.seed)]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:8]


def _best(trials: Sequence[Trial]) -> Trial:
    complete = [trial for trial in trials if trial.state == "complete" and trial.loss is not None]
    if not complete:
        reasons = [trial.reason for trial in trials if trial.reason]
        raise FtiError(f"None of {len(trials)} trials was finished. The first failed: {reasons[0] if reasons else 'killed'}")
    return min(complete, key=lambda trial: trial.loss or 0.0)


def _threads(run: TrainingRun, settings: SearchSettings) -> int:
    return max(1, (run.threads or os.cpu_count() or 1) // settings.workers)


@contextmanager
def _only_one(place: Path) -> Iterator[None]:
    """Refuses to search while another process does: its trials would be taken for those of one that was killed."""
    lock = FileLock(place / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FtiError(
            f"Another process is searching in {place}.", next_step="Wait for it, or search with another seed."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _of_params(program: TrainingProgram, params: Mapping[str, Any]) -> Any:
    """The function of a program that trains with the parameters of a trial."""
    import optuna

    class Chosen(optuna.trial.FixedTrial):
        def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
            """The choice that was kept: the study's database made a list of a tuple."""
            return next(choice for choice in choices if json.dumps(choice) == json.dumps(params[name]))

    def fit(data: TrainingData, run: TrainingRun) -> Any:
        assert program.space is not None
        return program.space(Chosen(dict(params))).fit(data, run)

    return fit


def _logged(trial: Trial) -> LoggedTrial:
    metrics = {} if trial.loss is None else {"log_loss_validation": trial.loss, "seconds": trial.seconds}
    return LoggedTrial(number=trial.number, state=trial.state, params=trial.params, metrics=metrics)
