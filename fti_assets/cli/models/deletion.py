"""`fti models delete`: a version that nothing needs."""

from __future__ import annotations

from typing import Annotated

import typer

from fti_assets.cli.models.naming import named
from fti_assets.cli.stores import feature_store, model_registry
from fti_assets.cli.terminal import say
from fti_assets.errors import FtiError

EXAMPLES = """
[bold]Example:[/bold]

fti models delete flight_delay:2

[dim]The champion, the one before it, and a version that predictions refer to are refused.[/dim]
"""


def delete(name: Annotated[str, typer.Argument(help="Which version of which model.", metavar="NAME:VERSION")]) -> None:
    """Delete a version with its run and files."""
    from fti_assets.monitoring import predicted_versions

    registry = model_registry()
    version = named(registry, name)
    if version is None:
        raise FtiError(f"'{name}' names no version.", next_step=f"Write {name}:1.")
    registry.delete(version.name, version.version, predicted=lambda: predicted_versions(feature_store(), version.name))
    say(f"{version} is deleted.", "green")
