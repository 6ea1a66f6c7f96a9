"""`fti lake snapshots|tags|tag|untag`: the states of the lake and their names."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.lake.holding import holds
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, lake_place
from fti_assets.cli.terminal import counted, say, show_json, show_table

if TYPE_CHECKING:
    from fti_assets.feature_store import Snapshot

SNAPSHOTS_EXAMPLES = """
[bold]Examples:[/bold]

fti lake snapshots                [dim]# the newest, and what made them[/dim]

fti lake snapshots --held         [dim]# those that something refers to: they never expire[/dim]
"""
TAGS_EXAMPLES = """
[bold]Example:[/bold]

fti lake tags
"""
TAG_EXAMPLES = """
[bold]Examples:[/bold]

fti lake tag before_correction                               [dim]# the state that the lake has now[/dim]

fti lake tag audit_2014 --snapshot 42 --reason "for the auditors"

[dim]Read it again: FeatureStore("data").reading("before_correction")[/dim]
"""
UNTAG_EXAMPLES = """
[bold]Example:[/bold]

fti lake untag before_correction
"""
_RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
NEXT = "`fti run SYSTEM` publishes the tables of a system."


def snapshots(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many are shown, the newest first.")] = 20,
    held: Annotated[bool, typer.Option("--held", help="Only those that something refers to.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the snapshots of the lake, the newest first: what made each, and what holds it."""
    by: dict[int, list[str]] = defaultdict(list)
    for hold in holds():
        by[hold.snapshot].append(hold.by)
    every = feature_store().snapshots()
    chosen = [one for one in reversed(every) if by[one.number] or not held]
    shown = chosen[:limit]
    if as_json:
        show_json([{**asdict(one), "held_by": by[one.number]} for one in shown])
        return
    if not every:
        say(f"There is no snapshot in {lake_place()}. {NEXT}")
        return
    rows = [(one.number, f"{one.at:%Y-%m-%d %H:%M:%S}", one.message, _run(one), ", ".join(by[one.number])) for one in shown]
    show_table(["snapshot", "made (UTC)", "what was done", "run", "held by"], rows, whole=("made (UTC)",))
    more = ". More: --limit N" if len(shown) < len(chosen) else ""
    say(f"\n{len(shown):,} of {counted(len(chosen), 'snapshot')}{' that something holds' if held else ''}{more}", "dim")


def _run(snapshot: Snapshot) -> str:
    """The first letters of a run's identifier; what was not done by a run has none."""
    return snapshot.author[:8] if _RUN.fullmatch(snapshot.author) else ""


def tags(as_json: AsJson = False) -> None:
    """List the names of snapshots."""
    found = feature_store().tags()
    if as_json:
        show_json([asdict(tag) for tag in found])
    elif not found:
        say("No snapshot has a name. `fti lake tag NAME` names the state that the lake has now.")
    else:
        show_table(
            ["tag", "snapshot", "since (UTC)", "reason"], [(one.name, one.snapshot, one.created_at, one.reason) for one in found]
        )


def tag(
    name: Annotated[str, typer.Argument(help="New name: lower-case letters, digits and underscores.", metavar="NAME")],
    snapshot: Annotated[int | None, typer.Option("--snapshot", "-s", help="Which one; the newest unless given.")] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for those who find the name later.")] = "",
) -> None:
    """Give a snapshot a name, so that it can be read by it and does not expire."""
    made = feature_store().tag(name, snapshot, reason)
    say(f"Snapshot {made.snapshot} is '{made.name}' now. It does not expire as long as it is.")


def untag(name: Annotated[str, typer.Argument(help="Name that is taken away.", metavar="NAME")]) -> None:
    """Take the name of a snapshot away; it may expire then."""
    was = feature_store().untag(name)
    say(f"Snapshot {was.snapshot} has the name '{was.name}' no more.")
    say(f"Give it back: fti lake tag {was.name} --snapshot {was.snapshot}", "dim")
