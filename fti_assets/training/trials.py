"""The trials of a search: run by one or several processes on one study, which goes on where it was."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from filelock import FileLock

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.training.data import TrainingData
from fti_assets.training.program import TrainingProgram, find_program
from fti_assets.training.run import StoppedError, TrainingRun

FIGURE = "logloss"
"""What is searched for: the least log loss on the validation split, which every trainer reports."""
_OFTEN = 20
"""Steps that are all looked at; of later ones every twentieth, since each look costs a transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How long and how wide is searched.

    Attributes:
        trials: that are finished or pruned in all; those of an earlier call that was ended count. Trials that fail do not;
            when more of them fail than not, the search ends.
        workers: processes at once; each trains with its share of the machine's cores.
        seed: of the sampler. With one worker, and without a break, the same trials come of it.
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
        loss: the least log loss on the validation split; None where it failed before the first.
        reason: why it failed.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    loss: float | None
    seconds: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SearchJob:
    """What a worker needs to know; it is sent to another process."""

    reference: str
    dataset: Path
    place: Path
    settings: SearchSettings
    device: str
    threads: int
    seed: int


def run_trials(job: SearchJob, run: TrainingRun) -> None:
    """Runs trials, in this process or in several, until there are as many as asked for, or too many have failed.

    Raises:
        FtiError: every worker died.
    """
    study = _study(job)  # made once, before workers ask for it
    _clear(study)
    while _left(job, study):
        if job.settings.workers == 1:
            _work(job, 0, run.progress)
        else:
            _in_processes(job)
        _clear(study)  # of a worker that died; others begin a trial in place of each


def _in_processes(job: SearchJob) -> None:
    context = get_context("spawn")
    workers = [context.Process(target=_work_for, args=(job, n, os.getpid()), daemon=True) for n in range(job.settings.workers)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
    ended = [worker.exitcode for worker in workers if worker.exitcode]
    if len(ended) == len(workers):
        raise FtiError(f"Every worker of the search ended with {ended[0]}.", next_step="Search with one worker to see why.")


def _work_for(job: SearchJob, worker: int, parent: int) -> None:
    """Works in a process of its own, which ends when the one that started it does, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _work(job, worker)


def _clear(study: Any) -> None:
    """Trials that a killed process left running have failed."""
    import optuna

    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _silent(text: str) -> None:
    pass


def _left(job: SearchJob, study: Any) -> int:
    """How many trials are to be begun beside those that run: none where enough of them have ended, or too many have failed."""
    states = Counter(trial.state.name for trial in study.get_trials(deepcopy=False))
    good = states["COMPLETE"] + states["PRUNED"]
    if states["FAIL"] > max(2, good):
        return 0
    return max(0, job.settings.trials - good - states["RUNNING"])


def _work(job: SearchJob, worker: int, progress: Callable[[str], None] = _silent) -> None:
    """Runs trials as long as one is to be begun. Several processes do this at once."""
    study, program = _study(job, worker), find_program(job.reference)
    data = TrainingData.of(program.model, job.dataset)
    while (trial := _begin(job, study)) is not None:
        _run(study, trial, partial(_objective, job, program, data, progress))


def _begin(job: SearchJob, study: Any) -> Any | None:
    """A trial that runs from now on; by turns, so that two processes do not both begin the last one."""
    with FileLock(job.place / "next.lock"):
        return study.ask() if _left(job, study) else None


def _run(study: Any, trial: Any, objective: Callable[[Any], float]) -> None:
    import optuna

    state = optuna.trial.TrialState
    try:
        study.tell(trial, objective(trial))
    except optuna.TrialPruned:
        study.tell(trial, state=state.PRUNED)
    except Exception:  # noqa: BLE001 - what a trainer raises may be anything; it is kept as the reason why the trial failed
        study.tell(trial, state=state.FAIL)


def _objective(job: SearchJob, program: TrainingProgram, data: TrainingData, progress: Callable[[str], None], trial: Any) -> float:
    """The least log loss on the validation split of one trial."""
    import optuna

    losses: list[float] = []

    def report(step: int, figures: Mapping[str, float]) -> None:
        if FIGURE not in figures:
            raise DefinitionError(f"A search needs the figure '{FIGURE}'; this trainer reports {', '.join(figures) or 'none'}.")
        losses.append(figures[FIGURE])
        if step % (1 if step < _OFTEN else _OFTEN):
            return
        trial.report(min(losses), step)
        if trial.should_prune():
            raise StoppedError(f"Trial {trial.number} promises less than others.")

    assert program.space is not None
    run = TrainingRun(device=job.device, seed=job.seed, threads=job.threads, workspace=job.place / MATRICES, report=report)
    try:
        program.space(trial).fit(data, run)
    except StoppedError as stopped:
        progress(f"trial {trial.number}: pruned after {len(losses)} steps, log loss {min(losses):.4f}")
        raise optuna.TrialPruned from stopped
    except Exception as error:
        trial.set_user_attr(_REASON, f"{type(error).__name__}: {error}")
        progress(f"trial {trial.number}: failed: {error}")
        raise
    progress(f"trial {trial.number}: log loss {min(losses):.4f}")
    return min(losses)


_REASON = "reason"
MATRICES = "matrices"
"""Folder of a search in which its trials share matrices."""


def _study(job: SearchJob, worker: int = 0) -> Any:
    import numpy as np
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # trials that fail are told by us
    # Of choices among tuples: the database makes lists of them, which are found again.
    warnings.filterwarnings("ignore", message="Choices for a categorical distribution")
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


def _as_trial(trial: Any) -> Trial:
    state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    known = [*trial.intermediate_values.values(), *([] if trial.value is None else [trial.value])]
    return Trial(
        number=trial.number,
        state=state,
        params=dict(trial.params),
        loss=min(known, default=None),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        reason=trial.user_attrs.get(_REASON),
    )


def trials_of(job: SearchJob) -> tuple[Trial, ...]:
    """The trials that a search has until now, in their order."""
    return tuple(map(_as_trial, _study(job).get_trials(deepcopy=False)))
