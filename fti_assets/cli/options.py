"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Workspace: TypeAlias = Annotated[
    Path, typer.Option("--workspace", "-w", help="File that lists the code locations.", show_default=True)
]
FirstDay: TypeAlias = Annotated[str | None, typer.Option("--first", metavar="DAY", help="First day, as 2013-01-01.")]
LastDay: TypeAlias = Annotated[str | None, typer.Option("--last", metavar="DAY", help="Last day, inclusive.")]

WORKSPACE = Path("workspace.yaml")
