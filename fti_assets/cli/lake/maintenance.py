"""`fti lake maintain|expire`: what is not needed goes, and small files become large ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.lake.holding import holds
from fti_assets.cli.lake.progress import bar
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, lake_place
from fti_assets.cli.terminal import counted, say, show_json, show_table, size, title

if TYPE_CHECKING:
    from fti_assets.feature_store import Maintenance, MaintenancePlan, Space

MAINTAIN_EXAMPLES = """
[bold]Examples:[/bold]

fti lake maintain --plan          [dim]# what would be done; nothing is changed[/dim]

fti lake maintain                 [dim]# does it[/dim]

fti lake maintain --keep-days 7   [dim]# gives up snapshots sooner[/dim]

fti lake maintain --grace-hours 0 [dim]# frees the space now: only while nobody reads[/dim]

[dim]A snapshot that a training dataset, model or tag refers to is kept, however old it is.[/dim]
"""
EXPIRE_EXAMPLES = """
[bold]Examples:[/bold]

fti lake expire 12

fti lake expire 12 13 14          [dim]# all or none of them[/dim]
"""


def maintain(
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done, and do nothing.")] = False,
    keep_days: Annotated[float, typer.Option("--keep-days", min=0, help="Keep all snapshots that are younger.")] = 30,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", min=0, help="Leave replaced files to those who still read them for so long.")
    ] = 6,
    as_json: AsJson = False,
) -> None:
    """Let old snapshots expire, merge small files, rewrite those with many deleted rows, remove what nothing refers to."""
    from fti_assets.feature_store import RetentionPolicy, carry_out, plan_maintenance

    store, policy = feature_store(), RetentionPolicy(keep_days=keep_days, grace_hours=grace_hours)
    with store.connect_existing() as connection:
        made = plan_maintenance(store.lake, connection, holds(), policy)
        if not as_json:
            _show_plan(made, only=plan)
        if plan:
            show_json(_steps(made)) if as_json else None
            return
        with bar("Maintaining the lake") as progress:
            done = carry_out(store.lake, connection, made, holds, progress)
    if as_json:
        show_json({"plan": _steps(made), "before": asdict(done.before), "after": asdict(done.after)})
    else:
        _show_done(done)


def expire(
    numbers: Annotated[list[int], typer.Argument(help="Snapshots, as `fti lake snapshots` numbers them.", metavar="SNAPSHOT...")],
) -> None:
    """Give up snapshots by their numbers. One that something refers to is refused, with what does."""
    from fti_assets.feature_store import expire_snapshots

    store = feature_store()
    with store.connect_existing() as connection:
        expire_snapshots(store.lake, connection, numbers, holds)
    say(f"{counted(len(numbers), 'snapshot')} given up. `fti lake maintain` removes the files that nothing else needs.")


def _steps(plan: MaintenancePlan) -> list[dict[str, object]]:
    return [asdict(step) for step in plan.steps()]


def _show_plan(plan: MaintenancePlan, *, only: bool) -> None:
    say(f"Plan for the lake in {lake_place()}", "bold")
    rows = [(one.what, one.of, one.why, one.files, None if one.bytes is None else size(one.bytes)) for one in plan.steps()]
    if rows:
        show_table(["what", "of", "why", "files", "size"], rows, right=("size",), whole=("of",))
    if plan.is_empty:
        say("Nothing has to be done.")
    elif only:
        say("\nNothing was changed. Do it: fti lake maintain", "dim")


def _show_done(done: Maintenance) -> None:
    if not done.plan.is_empty:
        title("Before and after")
        _show_space(done.before, done.after)
    if done.after.waiting:
        hours = done.plan.policy.grace_hours
        text = f"Replaced files are left for {hours:g} hours to those who may still read them"
        say(f"\n{text}: {done.after.waiting:,} now. A run after that removes them.", "dim")
    if done.recorded:
        say(f"Checksums recorded: {done.recorded:,}.", "dim")


def _show_space(before: Space, after: Space) -> None:
    rows: list[tuple[object, ...]] = []
    for table in sorted({*before.tables, *after.tables}):
        (files, bytes_), (files_now, bytes_now) = before.tables.get(table, (0, 0)), after.tables.get(table, (0, 0))
        rows.append((table, files, files_now, size(bytes_), size(bytes_now)))
    rows.append(("all files on disk", before.files, after.files, size(before.bytes), size(after.bytes)))
    rows.append(("snapshots", before.snapshots, after.snapshots, None, None))
    columns = ["table", "files before", "files after", "size before", "size after"]
    show_table(columns, rows, right=("size before", "size after"))
