"""MLflow as it is used here: a client bound to one store, quiet, without pickle, without global state."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}

_WARNINGS = ("The ``noload`` loader strategy", "Operation with range is deprecated", ".*Any type hint is inferred as AnyType")


def connect(tracking_uri: str) -> Any:
    """An `MlflowClient` for tracking and registry at one address; creates the tables of an empty SQLite store (about 2 s)."""
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with quiet():
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        with _only_one(tracking_uri):
            client.search_experiments(max_results=1)
            client.search_registered_models(max_results=1)
    return client


def sqlite_file(tracking_uri: str) -> Path | None:
    """The database file behind a SQLite address; None for any other store."""
    return Path(tracking_uri.removeprefix("sqlite:///")) if tracking_uri.startswith("sqlite:///") else None


def every(search: Callable[..., Any], **arguments: Any) -> Iterator[Any]:
    """What a search of the client finds, page after page."""
    token = None
    while True:
        page = search(**arguments, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps back the warnings that MLflow 3.17 provokes by its own doing, and its notes on migrations."""
    for name in ("mlflow.store.db.utils", "mlflow.pyfunc", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in _WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        yield


def _only_one(tracking_uri: str) -> AbstractContextManager[Any]:
    # Two processes that find an empty database would both create its tables, and one of them would fail.
    file = sqlite_file(tracking_uri)
    if file is None:
        return nullcontext()
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{file}.lock")
