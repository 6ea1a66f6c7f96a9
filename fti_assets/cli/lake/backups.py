"""`fti lake backup|restore`: a copy of the lake and the training datasets elsewhere, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fti_assets.cli.lake.progress import bar
from fti_assets.cli.stores import data_root, feature_store
from fti_assets.cli.terminal import counted, say, show_facts, size

BACKUP_EXAMPLES = """
[bold]Examples:[/bold]

fti lake backup /backups/lake            [dim]# again into the same folder: only what is new is copied[/dim]

fti lake backup ../before_upgrade --link [dim]# at once and without room; no help against a broken disk[/dim]

[dim]Others may publish meanwhile. Models and landing files are not part of it.[/dim]
"""
RESTORE_EXAMPLES = """
[bold]Examples:[/bold]

fti lake restore /backups/lake --into /tmp/look   [dim]# beside, to look at: FTI_DATA_DIR=/tmp/look fti status[/dim]

fti lake restore /backups/lake --replace          [dim]# in place; what was there is moved aside[/dim]
"""


def backup(
    folder: Annotated[Path, typer.Argument(help="For backups alone: a new folder, or one with an earlier backup.", metavar="DIR")],
    link: Annotated[bool, typer.Option("--link", help="Link files instead of copying them, on the same file system.")] = False,
) -> None:
    """Back up the lake and the training datasets, consistent while others publish."""
    from fti_assets.feature_store import back_up

    with bar("Backing up") as progress:
        made = back_up(feature_store(), folder, link=link, progress=progress)
    kept = len(made.manifest.files) - 1 - made.copied
    say(f"Snapshot {made.manifest.snapshot} is backed up in {folder}; every file was read there and is what was written.", "green")
    show_facts(
        {
            "linked" if link else "copied": f"{counted(made.copied, 'file')}, {size(made.copied_bytes)}",
            "there already": counted(kept, "file") if kept else None,
            "in all": f"{counted(len(made.manifest.files), 'file')}, {size(made.manifest.bytes)}",
        }
    )


def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of the backup.", metavar="DIR")],
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Where to; the stores of the commands unless given.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Move what is there aside.")] = False,
) -> None:
    """Restore the lake and the training datasets from a backup. Stop what reads and writes the old ones first."""
    from fti_assets.feature_store import require_local
    from fti_assets.feature_store import restore as put

    if into is None:
        require_local(feature_store().lake, "restored")
    with bar("Restoring") as progress:
        done = put(folder, into or data_root(), replace=replace, progress=progress)
    say(f"Snapshot {done.manifest.snapshot}, backed up {done.manifest.made_at}, is in {done.root / 'lake'}.", "green")
    for path in done.aside:
        say(f"What was there is in {path}; remove it when it is not needed.")
    if not done.verification.is_sound:
        say("The restored lake is not sound. `fti lake verify` says more.", "red", stderr=True)
        raise typer.Exit(1)
