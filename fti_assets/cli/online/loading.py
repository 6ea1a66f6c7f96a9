"""`fti online load`: online tables brought up to date with the lake."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.lake.progress import bar
from fti_assets.cli.online.named import chosen_groups, moment
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import counted, say, show_json, show_table
from fti_assets.stores import online_store

if TYPE_CHECKING:
    from fti_assets.online_store.materialisation import Materialised

EXAMPLES = """
[bold]Examples:[/bold]

fti online load flights                             [dim]# what was published since the last time[/dim]

fti online load origin_weather plane_profile        [dim]# some groups only[/dim]

fti online load flights --full                      [dim]# everything again[/dim]

fti online load flights --until 2013-06-01T15:00    [dim]# as it would have been then: a replay of history[/dim]

[dim]Readers see the old table until the new one is whole. An older event never takes the place of a newer one.[/dim]
"""


def load(
    names: Annotated[list[str], typer.Argument(help="Systems, or feature groups with online=True.", metavar="SYSTEM|GROUP...")],
    full: Annotated[bool, typer.Option("--full", help="Load everything again, not what has changed.")] = False,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Latest event time to take; UTC.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring online tables up to date with the lake: the newest row of each entity, and the events of windows."""
    from fti_assets.online_store.materialisation import materialise

    groups, time, done = chosen_groups(names), moment(until, "--until"), []
    store, online = feature_store(), online_store()
    with bar("Loading the online store") as progress:
        for number, (group, views) in enumerate(groups):
            progress(group.versioned_name, number, len(groups))
            done.append(materialise(store, online, group, views=views, full=full, until=time))
    if as_json:
        show_json([asdict(one) for one in done])
    elif not done:
        say(f"Nothing is to be kept online of {', '.join(names)}: no feature group has online=True.")
    else:
        _show(done)


def _show(done: list[Materialised]) -> None:
    columns = ["group", "loaded", "rows read", "written", "older", "withdrawn", "entities", "events", "seconds"]
    rows = [
        (one.group, one.kind, one.read, one.written, one.older, one.withdrawn, one.entities, one.windows and one.windows.added)
        for one in done
    ]
    show_table(columns, [(*row, f"{one.seconds:.2f}") for row, one in zip(rows, done, strict=True)], right=("seconds",))
    snapshots = {one.snapshot for one in done if one.snapshot is not None}
    of = f" from snapshot {max(snapshots)} of the lake" if snapshots else ""
    say(f"\n{counted(len(done), 'group')}{of}. Whether both say the same: fti online check SYSTEM", "dim")
