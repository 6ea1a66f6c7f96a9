"""`fti models promote|rollback|history`: which version is in production, by whose decision."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fti_assets.cli.models.naming import Model, known_model, named
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import model_registry
from fti_assets.cli.terminal import say, show_json, show_table
from fti_assets.errors import FtiError

PROMOTE_EXAMPLES = """
[bold]Examples:[/bold]

fti models promote flight_delay@challenger --why "shadow run of last week" --expect 3

fti models promote flight_delay:2 --why "the newer ones were trained on wrong weather"

[dim]The gates are not asked: `fti models gate NAME --promote` asks them.[/dim]
"""
ROLLBACK_EXAMPLES = """
[bold]Example:[/bold]

fti models rollback flight_delay --why "predictions of today are all 0"

[dim]The champion before is the champion again. A second rollback undoes the first. To go further back, promote a version.[/dim]
"""
HISTORY_EXAMPLES = """
[bold]Example:[/bold]

fti models history flight_delay
"""


def promote(
    name: Annotated[str, typer.Argument(help="Which version of which model.", metavar="NAME@ALIAS|NAME:VERSION")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the log.")],
    expect: Annotated[
        int | None, typer.Option("--expect", metavar="VERSION", help="Promote only while this one is the champion.")
    ] = None,
) -> None:
    """Make a version the champion. It is logged with who, when and why; the champion until now becomes `previous`."""
    registry = model_registry()
    version = named(registry, name)
    if version is None:
        raise FtiError(f"'{name}' names no version.", next_step=f"Write {name}@challenger or {name}:1.")
    figures = {key: value for key, value in version.metrics.items() if key.endswith("_test")}
    before = _champion(version.name)
    done = registry.promote(
        version.name, version.version, reason=why, figures=figures, expected_champion="any" if expect is None else expect
    )
    _told(str(done), before, version.name)


def rollback(name: Model, why: Annotated[str, typer.Option("--why", help="The reason, for the log.")]) -> None:
    """Make the champion before the present one the champion again. It is logged, and a second rollback undoes it."""
    registry = model_registry()
    known_model(registry, name)
    before = _champion(name)
    _told(str(registry.rollback(name, reason=why)), before, name)


def history(name: Model, as_json: AsJson = False) -> None:
    """List every change of the champion, the newest first: by whom, when, why."""
    registry = model_registry()
    entries = registry.history(known_model(registry, name))
    if as_json:
        show_json([asdict(entry) for entry in entries])
    elif not entries:
        say(f"No version of '{name}' was promoted yet.")
    else:
        rows = [(one.number, one.at, one.kind, one.version, one.previous, one.who, one.reason) for one in entries]
        show_table(["number", "at (UTC)", "what", "champion", "before", "who", "why"], rows)


def _champion(name: str) -> int | None:
    entry = next((one for one in model_registry().versions(name) if "champion" in one.aliases), None)
    return entry.version if entry else None


def _told(done: str, before: int | None, name: str) -> None:
    say(f"{done} is the champion now.", "green")
    if before is not None:
        say(f"Before it was version {before}. Back: fti models rollback {name} --why REASON", "dim")
