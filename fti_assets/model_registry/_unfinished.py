"""Runs that a training left unfinished: those of killed processes are ended, those of the same work are removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fti_assets.model_registry._artifacts import delete_artifacts
from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._own_runs import is_own, process_of


def settle_runs(
    client: Any, tracking_uri: str, experiment_id: str, tags: Mapping[str, str], registered: Callable[[], Collection[str]]
) -> None:
    """Clears up before a training.

    Args:
        client: of the store.
        tracking_uri: of the store.
        experiment_id: of the model.
        tags: of the run that is about to begin.
        registered: finds the ids of the runs that have a version; one that was killed after it was registered has finished.
    """
    found = every(client.search_runs, experiment_ids=[experiment_id], filter_string="attributes.status != 'FINISHED'")
    left = [run for run in found if is_own(run) and (run.info.status != "RUNNING" or _is_dead(run))]
    having_version = registered() if left else ()  # asked after the runs: what is in neither has no version
    for run in left:
        if run.info.run_id in having_version:
            client.set_terminated(run.info.run_id, "FINISHED")
        elif _same_work(run.data.tags, tags):
            remove_run(client, tracking_uri, run)
        elif run.info.status == "RUNNING":
            _end(client, run)


def remove_run(client: Any, tracking_uri: str, run: Any) -> None:
    """Deletes the files of a run and its models, then the entries: if it is broken off, what is left is found again."""
    for model in _models(client, run):
        delete_artifacts(tracking_uri, model.artifact_location)
        client.delete_logged_model(model.model_id)
    delete_artifacts(tracking_uri, run.info.artifact_uri)
    client.delete_run(run.info.run_id)


def _end(client: Any, run: Any) -> None:
    for model in _models(client, run):
        if str(model.status) != "READY":
            client.finalize_logged_model(model.model_id, "FAILED")
    client.set_terminated(run.info.run_id, "KILLED")


def _models(client: Any, run: Any) -> list[Any]:
    wanted = f"source_run_id = '{run.info.run_id}'"
    return list(every(client.search_logged_models, experiment_ids=[run.info.experiment_id], filter_string=wanted))


def _is_dead(run: Any) -> bool:
    process = process_of(run)
    return process is not None and process.is_dead


def _same_work(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    return new.get("dagster_run_id") is not None and _identity(old) == _identity(new)


def _identity(tags: Mapping[str, str]) -> tuple[str | None, ...]:
    """By which the same work is known when it is repeated; a repeated run of Dagster has a new id, but the same root."""
    root = tags.get("dagster_root_run_id") or tags.get("dagster_run_id")
    return root, tags.get("asset"), tags.get("partition")
