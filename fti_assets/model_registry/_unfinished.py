"""Runs that a training left unfinished: those of killed processes are ended, those of the same work are removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fti_assets.model_registry._artifacts import delete_artifacts
from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._process import Process

PROCESS = "process"
"""Tag of a run: the process that trains."""
IDENTITY = ("dagster_run_id", "asset", "partition")
"""Tags by which the same work is known when it is repeated; without the first it is not."""


def settle_runs(client: Any, tracking_uri: str, experiment_id: str, tags: Mapping[str, str], registered: set[str]) -> None:
    """Clears up before a training.

    Args:
        client: of the store.
        tracking_uri: of the store.
        experiment_id: of the model.
        tags: of the run that is about to begin.
        registered: ids of the runs that have a version; one that was killed after it was registered has finished.
    """
    for run in every(client.search_runs, experiment_ids=[experiment_id], filter_string="attributes.status != 'FINISHED'"):
        if run.info.status == "RUNNING" and not _is_dead(run):
            continue
        if run.info.run_id in registered:
            client.set_terminated(run.info.run_id, "FINISHED")
        elif _same_work(run.data.tags, tags):
            remove_run(client, tracking_uri, run)
        elif run.info.status == "RUNNING":
            _end(client, run)


def remove_run(client: Any, tracking_uri: str, run: Any) -> None:
    """Deletes a run, its models and their files."""
    for model in _models(client, run):
        client.delete_logged_model(model.model_id)
        delete_artifacts(tracking_uri, model.artifact_location)
    client.delete_run(run.info.run_id)
    delete_artifacts(tracking_uri, run.info.artifact_uri)


def _end(client: Any, run: Any) -> None:
    for model in _models(client, run):
        if str(model.status) != "READY":
            client.finalize_logged_model(model.model_id, "FAILED")
    client.set_terminated(run.info.run_id, "KILLED")


def _models(client: Any, run: Any) -> list[Any]:
    wanted = f"source_run_id = '{run.info.run_id}'"
    return list(every(client.search_logged_models, experiment_ids=[run.info.experiment_id], filter_string=wanted))


def _is_dead(run: Any) -> bool:
    process = Process.read(run.data.tags.get(PROCESS))
    return process is not None and process.is_dead


def _same_work(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    return IDENTITY[0] in new and all(old.get(name) == new.get(name) for name in IDENTITY)
