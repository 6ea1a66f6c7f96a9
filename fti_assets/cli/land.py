"""`fti land`: files as a partner delivers them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.options import FirstDay, LastDay
from fti_assets.cli.stores import landing_zone
from fti_assets.cli.terminal import console, say, show_table
from fti_assets.errors import not_found
from fti_assets.vocabulary import checked_name

if TYPE_CHECKING:
    from fti_assets.collection import LandingZone

EXAMPLES = """
[bold]Examples:[/bold]

fti land                                       [dim]# the whole year[/dim]

fti land --first 2013-01-01 --last 2013-01-20  [dim]# twenty days[/dim]

[dim]Delivering a day again leaves the same bytes. Next: fti run flights[/dim]
"""


def land(
    system: Annotated[str, typer.Option("--system", help="System whose data is delivered.")] = "flights",
    first: FirstDay = None,
    last: LastDay = None,
) -> None:
    """Deliver landing files: one for each day and source, and the reference tables."""
    deliver(system, first, last)


def has_delivery(system: str) -> bool:
    """Whether the package brings data for that system."""
    package = f"fti_assets.systems.{checked_name(system, 'A system')}"
    return find_spec(package) is not None and find_spec(f"{package}.delivery") is not None


def deliver(system: str, first: str | None, last: str | None) -> None:
    """Delivers the days with a progress bar, and says what lies where.

    Raises:
        NotFoundError: the package brings no data for that system.
    """
    if not has_delivery(system):
        step = f"A system of your own has its files put into {landing_zone().root} by whoever delivers them."
        raise not_found("System", system, ["flights"], where="what this package delivers data for", next_step=step)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    module, zone = import_module(f"fti_assets.systems.{system}.delivery"), landing_zone()
    columns = TextColumn("Landing {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeElapsedColumn()
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task(system, total=None)
        made = module.deliver(
            zone, first=first, last=last, progress=lambda done, days: bar.update(task, completed=done, total=days)
        )
    say(f"Delivered {len(made.days):,} days, {made.days[0]} to {made.days[-1]}:")
    show_table(["source", "rows", "where"], [(source, rows, _where(zone, source)) for source, rows in made.rows.items()])


def _where(zone: LandingZone, source: str) -> str:
    reference = zone.reference_file(source)
    return str(reference) if reference.exists() else f"{zone.root / source}/{source}_YYYY-MM-DD.csv"
