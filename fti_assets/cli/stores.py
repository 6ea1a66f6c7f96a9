"""The stores that the commands read, found the way the pipelines find them. Nothing is created by looking."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fti_assets import stores
from fti_assets.errors import FtiError, NotFoundError, not_found
from fti_assets.stores import data_root, feature_store, lake_place, landing_zone, registry_place, tracking_uri
from fti_assets.vocabulary import checked_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagster import DagsterInstance

    from fti_assets.model_registry import ModelRegistry

__all__ = [
    "dagster_home",
    "dagster_instance",
    "data_root",
    "feature_store",
    "has_registry",
    "known",
    "lake_place",
    "landing_zone",
    "model_registry",
    "registry_place",
]


def has_registry() -> bool:
    """Whether a model registry is there. An embedded one begins with the first training."""
    uri, sqlite = tracking_uri(), "sqlite:///"
    return not uri.startswith(sqlite) or Path(uri.removeprefix(sqlite)).exists()


def model_registry() -> ModelRegistry:
    """The model registry.

    Raises:
        NotFoundError: nothing was ever trained into it.
    """
    if not has_registry():
        raise NotFoundError(
            f"There is no model registry at {registry_place()}.", next_step="`fti run SYSTEM` trains a first model."
        )
    return stores.model_registry()


def dagster_home(workspace: Path) -> Path:
    """Folder of `dagster.yaml`: `$DAGSTER_HOME`, or the folder of the workspace file.

    Raises:
        FtiError: there is no `dagster.yaml`.
    """
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named) if named else workspace.resolve().parent
    if not (home / "dagster.yaml").is_file():
        how = "which DAGSTER_HOME names" if named else f"the folder of '{workspace}', and DAGSTER_HOME is not set"
        raise FtiError(
            f"There is no dagster.yaml in {home}, {how}.",
            next_step="Run from the folder that holds it, or set DAGSTER_HOME to that folder.",
        )
    return home


def dagster_instance(workspace: Path) -> DagsterInstance:
    """The Dagster instance that records the runs; the UI shows the same one. Use it in a `with` statement.

    Raises:
        FtiError: there is no `dagster.yaml`.
    """
    from dagster import DagsterInstance

    home = dagster_home(workspace)
    os.environ["DAGSTER_HOME"] = str(home.resolve())  # steps and loggers of Dagster look it up there
    return DagsterInstance.from_config(str(home))


def known(what: str, name: str, existing: Iterable[str], *, where: str, next_step: str) -> str:
    """The name, checked, when something has it.

    Raises:
        DefinitionError: it is no name at all.
        NotFoundError: nothing has it; the error names what exists.
    """
    names = sorted(existing)
    if checked_name(name, what) not in names:
        raise not_found(what, name, names, where=where, next_step=None if names else next_step)
    return name
