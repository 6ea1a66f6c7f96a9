"""Hyperparameter search with Optuna: resumable, pruned, in several processes; the best becomes the challenger."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import LoggedTrial, ModelRegistry
from fti_assets.training.data import TrainingData
from fti_assets.training.program import TrainingProgram, find_program
from fti_assets.training.run import StoppedError, TrainingRun
from fti_assets.training.training import Trained, train

FIGURE = "logloss"
"""What is searched for: the least log loss on the validation split, which every trainer reports."""
_OFTEN = 20
"""Steps that are all looked at; of later ones every twentieth, since each look costs a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How long and how wide is searched.

    Attributes:
        trials: that are finished or pruned in all; those of an earlier call that was ended count.
        workers: processes at once; each trains with its share of the machine's cores.
        seed: of the sampler. With one worker the same trials come of it.
        startup_trials: drawn at random, and never pruned, before the sampler learns from them.
    """

    trials: int = 30
    workers: int = 1
    seed: int = 0
    startup_trials: int = 8

    def __post_init__(self) -> None:
        if self.trials < 1 or self.workers < 1:
            raise DefinitionError(f"A search needs a trial and a worker: {self.trials} trials, {self.workers} workers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial that has ended.

    Attributes:
        state: `complete`, `pruned` or `failed`.
        loss: the least log loss on the validation split; None where it failed.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    loss: float | None
    seconds: float


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

    A search that was ended or killed goes on where it was when it is called again with the same dataset and seed. Trials are
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
        FtiError: every trial failed.
    """
    if program.space is None:
        raise DefinitionError(
            f"Training program '{program.reference}' has no space to search.",
            next_step="Give @training_program a `space`: a function of an Optuna trial that returns a trainer.",
        )
    run = run or TrainingRun()
    folder, manifest = store.dataset(program.model.dataset.name, dataset_id)
    place = store.root / "searches" / program.model.name / f"{manifest.id}-{settings.seed}"
    place.mkdir(parents=True, exist_ok=True)
    job = _Job(program.reference, folder, place, settings, run.device, _threads(run, settings), run.seed)
    with _only_one(place):
        _run_trials(job, run)
    study = _study(job)
    trials = tuple(map(_trial, study.trials))
    best = _trial(study.best_trial)
    registry.log_search(program.model, name=place.name, trials=[_logged(trial) for trial in trials])
    run.progress(f"best of {len(trials)} trials: number {best.number}, log loss {best.loss:.4f}")
    chosen = replace(program, function=_of_params(program, best.params))
    about = {"search": place.name, "search_trials": str(len(trials)), **(tags or {})}
    trained = train(chosen, store, registry, dataset_id=manifest.id, run=replace(run, workspace=place / "matrices"), tags=about)
    return Searched(trials=trials, best=best, trained=trained)


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs to know; it is sent to another process."""

    reference: str
    dataset: Path
    place: Path
    settings: SearchSettings
    device: str
    threads: int
    seed: int


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


def _run_trials(job: _Job, run: TrainingRun) -> None:
    _clear(_study(job))  # made once, before workers ask for it
    if job.settings.workers == 1:
        _work(job, 0, run.progress)
        return
    with ProcessPoolExecutor(job.settings.workers, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_work, job, worker) for worker in range(job.settings.workers)]:
            done.result()


def _clear(study: Any) -> None:
    """Trials that a killed process left running have failed."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _silent(text: str) -> None:
    pass


def _work(job: _Job, worker: int, progress: Callable[[str], None] = _silent) -> None:
    """Runs trials until there are as many as asked for. Several processes do this at once on one study."""
    import optuna

    study, program = _study(job, worker), find_program(job.reference)
    data = TrainingData.of(program.model, job.dataset)
    counted = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
    enough = optuna.study.MaxTrialsCallback(job.settings.trials, states=counted)

    def objective(trial: optuna.Trial) -> float:
        losses: list[float] = []

        def report(step: int, figures: Mapping[str, float]) -> None:
            losses.append(figures[FIGURE])
            if step % (1 if step < _OFTEN else _OFTEN):
                return
            trial.report(min(losses), step)
            if trial.should_prune():
                raise StoppedError(f"Trial {trial.number} promises less than others.")

        assert program.space is not None
        run = TrainingRun(device=job.device, seed=job.seed, threads=job.threads, workspace=job.place / "matrices", report=report)
        try:
            program.space(trial).fit(data, run)
        except StoppedError as stopped:
            progress(f"trial {trial.number}: pruned after {len(losses)} steps, log loss {min(losses):.4f}")
            raise optuna.TrialPruned from stopped
        progress(f"trial {trial.number}: log loss {min(losses):.4f}")
        return min(losses)

    if len(study.get_trials(deepcopy=False, states=counted)) < job.settings.trials:
        study.optimize(objective, callbacks=[enough])


def _study(job: _Job, worker: int = 0) -> Any:
    import numpy as np
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings, storage = job.settings, f"sqlite:///{job.place / 'study.db'}"
    study = optuna.create_study(study_name=job.reference, storage=storage, load_if_exists=True)
    # A search that goes on, and each of several workers, must not draw again what was drawn.
    drawn = (settings.seed, worker, len(study.get_trials(deepcopy=False)))
    seed = int(np.random.SeedSequence(drawn).generate_state(1)[0])
    with warnings.catch_warnings():  # of the sampler that looks at parameters together
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.startup_trials, multivariate=True)
    study.sampler = sampler
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=5)
    return study


def _trial(trial: Any) -> Trial:
    state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    known = [*trial.intermediate_values.values(), *([] if trial.value is None else [trial.value])]
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return Trial(number=trial.number, state=state, params=dict(trial.params), loss=min(known, default=None), seconds=seconds)


def _of_params(program: TrainingProgram, params: Mapping[str, Any]) -> Any:
    """The function of a program that trains with the parameters of a trial."""

    def fit(data: TrainingData, run: TrainingRun) -> Any:
        import optuna

        assert program.space is not None
        return program.space(optuna.trial.FixedTrial(dict(params))).fit(data, run)

    return fit


def _logged(trial: Trial) -> LoggedTrial:
    metrics = {} if trial.loss is None else {"log_loss_validation": trial.loss, "seconds": trial.seconds}
    return LoggedTrial(number=trial.number, state=trial.state, params=trial.params, metrics=metrics)
