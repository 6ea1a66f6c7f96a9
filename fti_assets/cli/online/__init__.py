"""`fti online`: the online store: what it holds, how it is brought up to date, and whether it says what the lake says."""

from __future__ import annotations

import typer

from fti_assets.cli.online import entity, loading, overview, parity

app = typer.Typer(
    help="The online store: the newest values of entities, for predictions at the moment of asking.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("list", epilog=overview.EXAMPLES)(overview.list_)
app.command("load", epilog=loading.EXAMPLES)(loading.load)
app.command("get", epilog=entity.EXAMPLES)(entity.get)
app.command("check", epilog=parity.EXAMPLES)(parity.check)
