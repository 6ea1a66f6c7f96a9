"""Runs whose process died: marked as failed, and the places that they held in pools given back.

Dagster's daemon watches runs that it launched itself. A run of `fti run` lives in the process of the command line; each holds
a file lock while it lives, which the system releases when the process ends, however it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from fti_assets.pipelines.resources import data_root


def _folder() -> Path:
    return data_root() / "running"


@contextmanager
def alive(run_id: str) -> Iterator[None]:
    """Shows that this process runs `run_id` for as long as the block lasts."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run_id}.lock"
    with FileLock(file):
        yield
    file.unlink(missing_ok=True)


def bury_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Marks the runs of dead processes as failed and frees their places in pools.

    Returns:
        The ids of the runs that were found dead.
    """
    dead = []
    for file in sorted(_folder().glob("*.lock")):
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue  # its process lives
        with lock:
            dead += _bury(instance, file.stem)
        file.unlink(missing_ok=True)
    return dead


def _bury(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return []
    instance.report_run_failed(run, "The process that ran it has died.")
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    return [run_id]
