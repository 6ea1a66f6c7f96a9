"""Runs that no version in the whole store refers to: only they are removed, whoever registered the version."""

from __future__ import annotations

from typing import Any

from fti_assets.model_registry._mlflow import every
from fti_assets.model_registry._own_runs import is_own
from fti_assets.model_registry._unfinished import remove_run


def needed_runs(client: Any) -> set[str]:
    """The runs that a version of any model came of, by whatever means it was registered."""
    return {str(version.run_id) for version in every(client.search_model_versions) if version.run_id}


def remove_if_unneeded(client: Any, tracking_uri: str, run_id: str) -> bool:
    """Deletes a run with its models and files, if it is of this platform and no version refers to it. Returns whether it did."""
    run = client.get_run(run_id)
    if not is_own(run) or run_id in needed_runs(client):
        return False
    remove_run(client, tracking_uri, run)
    return True
