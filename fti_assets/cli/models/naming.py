"""Which model, which version, and which training program a name on the command line means."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from fti_assets.cli.stores import known, model_registry, registry_place
from fti_assets.errors import FtiError, NotFoundError

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelRegistry, ModelVersion
    from fti_assets.training import TrainingProgram

NEXT = "`fti run SYSTEM --only training` trains one."

Name: TypeAlias = Annotated[
    str, typer.Argument(help="Model, and which version of it; the champion unless one is named.", metavar="NAME[@ALIAS|:VERSION]")
]
Model: TypeAlias = Annotated[str, typer.Argument(help="Name of the model.", metavar="NAME")]


def known_model(registry: ModelRegistry, name: str) -> str:
    """The name, when a model has it.

    Raises:
        NotFoundError: none has; the error names those that exist.
    """
    return known("Model", name, registry.models(), where=f"the registry {registry_place()}", next_step=NEXT)


def find(registry: ModelRegistry, name: str) -> ModelVersion:
    """The version that `NAME@alias` or `NAME:version` means; of `NAME` the champion, or the newest where there is none."""
    version = named(registry, name)
    if version is not None:
        return version
    versions = registry.versions(name)
    return next((one for one in versions if "champion" in one.aliases), versions[0])


def named(registry: ModelRegistry, name: str) -> ModelVersion | None:
    """The version that `NAME@alias` or `NAME:version` means; None where only the model is named."""
    wanted, at, alias = name.partition("@")
    wanted, _, number = wanted.partition(":")
    known_model(registry, wanted)
    if alias or number:
        return registry.get(wanted, alias or number)
    if at or name.endswith(":"):
        raise NotFoundError(f"'{name}' names no version.", next_step=f"Write {wanted}@champion or {wanted}:1.")
    return None


def find_named_program(name: str) -> TrainingProgram:
    """The training program that `module:program` means, or that the newest version of a model was trained by.

    Raises:
        NotFoundError: there is no such model, or its program is not installed here.
        FtiError: the version does not say what trained it.
    """
    from fti_assets.training import find_program

    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` does it
        sys.path.insert(0, here)
    if ":" in name:
        return find_program(name)
    registry = model_registry()
    version = registry.versions(known_model(registry, name))[0]
    if "program" not in version.tags:
        raise FtiError(f"{version} does not say what trained it.", next_step="Name its program: module:program.")
    return find_program(version.tags["program"])
