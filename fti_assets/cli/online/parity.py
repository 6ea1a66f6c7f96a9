"""`fti online check`: whether the online store says what the point-in-time join gives for the same moment."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.online.named import moment
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.systems import online_groups, online_views, system_contracts
from fti_assets.cli.terminal import counted, say, show_json, show_table, title
from fti_assets.stores import online_store
from fti_assets.vocabulary import FeatureGroup, FeatureView

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore
    from fti_assets.online_store.parity import Parity

EXAMPLES = """
[bold]Examples:[/bold]

fti online check flights                      [dim]# a thousand entities of each group, and the views[/dim]

fti online check flights --sample 20000

fti online check flights --at 2013-06-01T15:00

[dim]Exit code 1 when a value differs. The lake is read as it was when the tables were brought up to date.[/dim]
"""
_SHOWN = 10


def check(
    system: Annotated[str, typer.Argument(help="A system, as flights, or a package of yours that has a module `contracts`.")],
    sample: Annotated[int, typer.Option("--sample", min=1, help="Entities of each group, rows of each view.")] = 1000,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="For which moment; that of the newest event. UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the online store with the lake, for a sample of entities: the same values at the same moment."""
    from fti_assets.online_store.parity import compare

    contracts, online = system_contracts(system), online_store()
    time, store = moment(at, "--at"), feature_store()
    chosen = _comparable(online, online_groups(contracts), online_views(contracts))
    found = [compare(store, online, one, sample=sample, at=time) for one in chosen]
    if as_json:
        show_json([asdict(one) for one in found])
    elif not found:
        say(f"Nothing of '{system}' is in {online}. `fti online load {system}` loads it.")
    else:
        _show(found)
    if any(not one.is_equal for one in found):
        raise typer.Exit(1)


def _comparable(online: OnlineStore, groups: list[FeatureGroup], views: list[FeatureView]) -> list[FeatureGroup | FeatureView]:
    """The groups that have a table, and the views of which any group has one."""
    there = {table.name for table in online.tables()}
    compared = [group for group in groups if group.versioned_name in there]
    return [*compared, *(view for view in views if any(group in compared for group in view.groups))]


def _show(found: list[Parity]) -> None:
    rows = [(one.of, one.checked, one.visible, one.differing_entities, one.ahead, f"{one.at:%Y-%m-%d %H:%M}") for one in found]
    show_table(["of", "compared", "with values", "differing", "not in the lake yet", "at"], rows, whole=("at",))
    for one in found:
        if one.differing:
            title(f"{one.of}: {counted(len(one.differing), 'value')} that differ")
            for difference in one.differing[:_SHOWN]:
                say(str(difference))
            if len(one.differing) > _SHOWN:
                say(f"and {len(one.differing) - _SHOWN:,} more: --json lists all", "dim")
    behind = sorted({name for one in found for name in one.behind})
    if behind:
        say(f"\nPublished since they were brought online: {', '.join(behind)}. `fti online load` brings what is new.", "yellow")
    if all(one.is_equal for one in found):
        say("\nOnline is what the point-in-time join gives, for every value that was compared.", "green")
