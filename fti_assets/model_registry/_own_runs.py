"""Runs that this platform begins: of which kind and process each is, and how it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fti_assets.model_registry._mlflow import quiet
from fti_assets.model_registry._process import Process

KIND = "fti.kind"
"""Tag of a run of this platform. A run without it is somebody else's and is left alone."""
TRAINING, SEARCH, TRIAL, BACKTEST = "training", "search", "trial", "backtest"
PROCESS = "process"
"""Tag of a run: the process that it is of."""

_log = logging.getLogger(__name__)


def is_own(run: Any) -> bool:
    """Whether this platform began it."""
    return run.data.tags.get(KIND) in (TRAINING, SEARCH, TRIAL, BACKTEST)


def process_of(run: Any) -> Process | None:
    """The process that it is of, where it says so."""
    return Process.read(run.data.tags.get(PROCESS))


@contextmanager
def own_run(client: Any, experiment_id: str, name: str, tags: Mapping[str, str], *, kind: str) -> Iterator[str]:
    """A run that says which process it is of; finished when the block ends, failed when it raises. Gives its id."""
    with quiet():
        about = {**tags, KIND: kind, PROCESS: Process.current().text}
        run_id = client.create_run(experiment_id, run_name=name, tags=about).info.run_id
    try:
        yield run_id
    except BaseException:
        _end_quietly(client, run_id, "FAILED")
        raise
    if kind == TRAINING:  # its version is registered by now, and the next training settles its run
        _end_quietly(client, run_id, "FINISHED")
    else:
        client.set_terminated(run_id, "FINISHED")


def _end_quietly(client: Any, run_id: str, status: str) -> None:
    """Ends a run; that the store does not answer must not hide what happened before."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_terminated(run_id, status)
    except (MlflowException, OSError) as error:
        _log.warning("Run %s could not be marked as %s: %s", run_id, status, error)
