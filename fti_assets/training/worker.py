"""The training worker: `python -m fti_assets.training.worker SPEC` trains one model and registers it. It needs no Dagster.

With `search` or `cutoff` in its specification it searches the space of a program, or backtests it.

SPEC is a JSON file (see `TrainingSpec`), `-` for standard input, or `env:NAME` for a variable that holds it in base64.
Where the stores are is said by the environment (`FTI_DATA_DIR`, `FTI_LAKE_CATALOG`, `FTI_LAKE_DATA`, `MLFLOW_TRACKING_URI`).

Started by Dagster Pipes it reports to the Dagster run. By hand, progress goes to standard error, and the last line of standard
output is JSON: `{"model": "churn", "version": 3}`. The exit code is 0, or 1 when it failed for a reason that it told.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from fti_assets import stores
from fti_assets.compute import end_with_parent, resolve_device
from fti_assets.errors import FtiError
from fti_assets.training.hyperparameters import search
from fti_assets.training.program import TrainingProgram, find_program
from fti_assets.training.rolling_origin import backtest
from fti_assets.training.run import TrainingRun
from fti_assets.training.spec import RESULT, SpecError, TrainingSpec
from fti_assets.training.training import train

_USAGE = "Usage: python -m fti_assets.training.worker SPEC\nSPEC is a JSON file, - for standard input, or env:NAME.\n"


class Reporter(Protocol):
    """Whom a worker tells how it goes."""

    def progress(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def result(self, said: Mapping[str, Any]) -> None:
        """Tells what came of it: `{"model": ..., "version": ...}` or `{"failed": ...}`."""
        ...


@dataclass(frozen=True, slots=True)
class _Pipes:
    """Reports to the Dagster run."""

    context: Any

    def progress(self, text: str) -> None:
        self.context.log.info(text)

    def warn(self, text: str) -> None:
        self.context.log.warning(text)

    def result(self, said: Mapping[str, Any]) -> None:
        self.context.report_custom_message({RESULT: dict(said)})


@dataclass(frozen=True, slots=True)
class _Terminal:
    """Reports to whoever started it by hand."""

    def progress(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    warn = progress

    def result(self, said: Mapping[str, Any]) -> None:
        if "failed" not in said:  # that stands on standard error
            sys.stdout.write(f"{json.dumps(said)}\n")


class Pace:
    """Lets figures through that come fast: at most one a second, and one in each hundredth of the time that a training takes."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._began = self._due = clock()

    def report(self, step: int, figures: Mapping[str, float]) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due = now + max(1.0, (now - self._began) / 100)
        self._tell(f"step {step}: {', '.join(f'{name} {value:.4f}' for name, value in figures.items())}")


def work(spec: TrainingSpec, reporter: Reporter) -> dict[str, Any]:
    """Does what `spec` says: trains, searches or backtests. Returns what is told of it, which is data of JSON.

    Raises:
        FtiError: what `train`, `search` or `backtest` raises, or the device or the program is not there; nothing was read then.
    """
    device = resolve_device(spec.device, fallback_to_cpu=spec.fallback_to_cpu, warn=reporter.warn)
    program = find_program(spec.program)
    run = TrainingRun(
        device=device,
        seed=spec.seed,
        threads=spec.threads,
        progress=reporter.progress,
        report=Pace(reporter.progress).report,
    )
    return _do(spec, program, run)


def _do(spec: TrainingSpec, program: TrainingProgram, run: TrainingRun) -> dict[str, Any]:
    store, registry = stores.feature_store(), stores.model_registry()
    if spec.cutoff is not None:
        origin = backtest(program, store, registry, spec.cutoff, run=run, tags=spec.tags)
        return {"model": program.model.name, "dataset_id": origin.manifest.id, "metrics": dict(origin.metrics)}
    if spec.search is not None:
        found = search(program, store, registry, spec.search, dataset_id=spec.dataset_id, run=run, tags=spec.tags)
        trials = {"trials": [asdict(trial) for trial in found.trials], "best": found.best.number}
        return {"model": found.trained.version.name, "version": found.trained.version.version, **trials}
    done = train(program, store, registry, dataset_id=spec.dataset_id, run=run, tags=spec.tags)
    return {"model": done.version.name, "version": done.version.version}


def main(arguments: list[str]) -> int:
    """Runs the worker; returns its exit code."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        sys.stderr.write(_USAGE)
        return 2
    end_with_parent()
    signal.signal(signal.SIGTERM, _stop)
    with _reporter() as reporter:
        try:
            told = work(_read(arguments[0]), reporter)
        except FtiError as error:
            sys.stderr.write(f"{error}\n")
            reporter.result({"failed": str(error)})
            return 1
        reporter.result(told)
    return 0


def _read(given: str) -> TrainingSpec:
    if given == "-":
        return TrainingSpec.of_text(sys.stdin.read())
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        if name not in os.environ:
            raise SpecError(f"The variable '{name}', which should hold the specification of a training, is not set.")
        return TrainingSpec.of_encoded(os.environ[name])
    try:
        return TrainingSpec.of_text(Path(given).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"The specification '{given}' cannot be read: {error.strerror}.") from error


@contextmanager
def _reporter() -> Iterator[Reporter]:
    from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

    if DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        yield _Terminal()
        return
    with open_dagster_pipes() as context:
        yield _Pipes(context)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the system passes them
    # As an exception, so that a run that was begun in the registry is marked as failed.
    raise SystemExit("It was told to stop.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
