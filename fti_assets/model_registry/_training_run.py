"""The MLflow run of one training, which ends however the training ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fti_assets.model_registry._mlflow import quiet
from fti_assets.model_registry._process import Process
from fti_assets.model_registry._unfinished import PROCESS


@contextmanager
def training_run(client: Any, experiment_id: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """A run that says which process it is of; finished when the block ends, failed when it raises. Gives its id."""
    with quiet():
        run = client.create_run(experiment_id, run_name=name, tags={**tags, PROCESS: Process.current().text})
    try:
        yield run.info.run_id
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")
