"""`fti lake`: the care of the lake: its snapshots and their names, maintenance, verification, backups."""

from __future__ import annotations

import typer

from fti_assets.cli.lake import backups, damage, maintenance, naming

app = typer.Typer(
    help="The lake below the feature store: snapshots and their names, maintenance, verification, backups.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("snapshots", epilog=naming.SNAPSHOTS_EXAMPLES)(naming.snapshots)
app.command("tags", epilog=naming.TAGS_EXAMPLES)(naming.tags)
app.command("tag", epilog=naming.TAG_EXAMPLES)(naming.tag)
app.command("untag", epilog=naming.UNTAG_EXAMPLES)(naming.untag)
app.command("maintain", epilog=maintenance.MAINTAIN_EXAMPLES)(maintenance.maintain)
app.command("expire", epilog=maintenance.EXPIRE_EXAMPLES)(maintenance.expire)
app.command("verify", epilog=damage.VERIFY_EXAMPLES)(damage.verify)
app.command("repair", epilog=damage.REPAIR_EXAMPLES)(damage.repair)
app.command("drop-file", epilog=damage.DROP_EXAMPLES)(damage.drop_file)
app.command("backup", epilog=backups.BACKUP_EXAMPLES)(backups.backup)
app.command("restore", epilog=backups.RESTORE_EXAMPLES)(backups.restore)
