"""`fti lake verify|repair|drop-file`: whether the lake is what was written, and what to do where it is not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.lake.progress import bar
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, lake_place
from fti_assets.cli.terminal import counted, say, show_json, show_table, size, title
from fti_assets.errors import NotFoundError

if TYPE_CHECKING:
    from fti_assets.feature_store import Damage, FeatureStore, Verification

VERIFY_EXAMPLES = """
[bold]Examples:[/bold]

fti lake verify                   [dim]# reads every file again; ends with 1 where one is damaged[/dim]

fti lake verify --json | jq '.damages[].file.path'
"""
REPAIR_EXAMPLES = """
[bold]Example:[/bold]

fti lake repair --from /backups/lake

[dim]Takes from the backup what is damaged in the lake, and nothing else. No publication is lost.[/dim]
"""
DROP_EXAMPLES = """
[bold]Examples:[/bold]

fti lake drop-file features/origin_weather_v1/ducklake-01a2-b3c4.parquet

fti run flights --only features --first 2013-02-01 --last 2013-02-01   [dim]# then the days that it named[/dim]

[dim]Where there is a backup, `fti lake repair` is better: days that are published again count as known from now on.[/dim]
"""


def verify(as_json: AsJson = False) -> None:
    """Read every file of every snapshot again, and check sizes, checksums, rows and the catalogue."""
    store = feature_store()
    found = _verified(store)
    if as_json:
        show_json({"sound": found.is_sound, **asdict(found)})
    else:
        _show(found)
    if not found.is_sound:
        raise typer.Exit(1)


def repair(
    backup: Annotated[Path, typer.Option("--from", metavar="DIR", help="Folder of a backup.")],
) -> None:
    """Put files that are gone or damaged back from a backup, where it has what was written."""
    from fti_assets.feature_store import put_back

    store = feature_store()
    found = _verified(store)
    if found.catalogue or not found.damages:
        _show(found)
        raise typer.Exit(1 if found.catalogue else 0)
    back = set(put_back(store.lake, backup, [one.file.path for one in found.damages]))
    title("Repaired")
    show_table(
        ["table", "days", "file", "result"],
        [
            (one.file.table, one.days, one.file.path, "put back" if one.file.path in back else "not in the backup")
            for one in found.damages
        ],
        whole=("file",),
    )
    if len(back) < len(found.damages):
        left = len(found.damages) - len(back)
        say(f"\nStill damaged: {left:,} of {counted(len(found.damages), 'file')}. What else can be done: fti lake verify")
        raise typer.Exit(1)


def drop_file(
    paths: Annotated[list[str], typer.Argument(help="Damaged files, as `fti lake verify` names them.", metavar="FILE...")],
) -> None:
    """Take damaged files out of their table, so that their days can be published again. What is sound is refused."""
    from fti_assets.feature_store import drop_file as drop

    store = feature_store()
    with store.connect_existing() as connection:
        for path in paths:
            done = drop(store.lake, connection, path)
            again = f"Publish again: {done.days}." if done.days else "Publish the table again."
            say(f"{done.file.table}: {done.rows:,} rows were taken out. {again}")


def _verified(store: FeatureStore) -> Verification:
    from fti_assets.feature_store import verify as read_again

    if not store.lake.is_there:
        raise NotFoundError(f"There is no lake in {lake_place()}: nothing was ever published.")
    with bar("Reading every file") as progress:
        return read_again(store.lake, progress=lambda done, of: progress("", done, of))


def _show(found: Verification) -> None:
    for problem in found.catalogue:
        say(f"The catalogue is damaged. {problem}", "red")
        say("Restore the lake from a backup: fti lake restore DIR --replace")
    if found.damages:
        say(
            f"{len(found.damages):,} of {counted(found.files, 'file')} {'is' if len(found.damages) == 1 else 'are'} damaged:", "red"
        )
        show_table(["table", "days", "read by", "what is wrong"], [_row(one) for one in found.damages], whole=("days",))
        _show_ways(found)
    elif not found.catalogue:
        what = f"{counted(found.files, 'file')} of {counted(found.snapshots, 'snapshot')}, {size(found.bytes)}"
        say(f"The lake is what was written: {what}.", "green")
    if found.recorded:
        say(f"{counted(found.recorded, 'file')} had no checksum yet; what was found is recorded now.", "dim")


def _row(one: Damage) -> tuple[object, ...]:
    from fti_assets.feature_store import spans

    now = "the newest and " if one.is_current else ""
    return one.file.table, one.days, f"{now}snapshots {spans(one.snapshots)}", one.what


def _show_ways(found: Verification) -> None:
    title("What can be done")
    say("With a backup, put back exactly these files:")
    say("  fti lake repair --from DIR")
    current = [one for one in found.damages if one.is_current and not one.file.table.startswith("superseded.")]
    if current:
        say("Without one, take them out of their tables and publish again what was in them:")
    for one in current:
        say(f"  fti lake drop-file {one.file.path}   # then publish {one.file.table}{f', {one.days}' if one.days else ''}")
    others = [one for one in found.damages if one not in current]
    if others:
        say("Without one, these cannot be made again. Only older snapshots and corrections read them; all else reads as before:")
    for one in others:
        say(f"  {one.file.path}")
