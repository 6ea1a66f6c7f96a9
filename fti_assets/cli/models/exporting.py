"""`fti models export`: a version as a folder that is read without MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fti_assets.cli.models.naming import Name, find
from fti_assets.cli.stores import model_registry
from fti_assets.cli.terminal import say, show_facts, size

EXAMPLES = """
[bold]Examples:[/bold]

fti models export flight_delay ./flight_delay_champion

fti models export flight_delay:2 /exports/flight_delay_2
"""


def export(name: Name, folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")]) -> None:
    """Write a version into a folder: model file (verified), card, lineage, environment, requirements, an example of rows."""
    from fti_assets.model_registry.export import export as write

    registry = model_registry()
    version = find(registry, name)
    files = write(registry, version, folder)
    say(f"{version} is in {folder}.", "green")
    show_facts({file.name: size(file.stat().st_size) for file in files})
