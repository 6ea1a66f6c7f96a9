"""`fti features`: feature groups as the lake describes them; no code of a system is loaded."""

from __future__ import annotations

import typer

from fti_assets.cli.features import difference, history, overview, promise, search, statistics

app = typer.Typer(
    help="Feature groups in the feature store: what there is, what it promises, what is in it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("list", epilog=overview.EXAMPLES)(overview.list_)
app.command("search", epilog=search.EXAMPLES)(search.search)
app.command("show", epilog=promise.EXAMPLES)(promise.show)
app.command("stats", epilog=statistics.EXAMPLES)(statistics.stats)
app.command("history", epilog=history.EXAMPLES)(history.history)
app.command("diff", epilog=difference.EXAMPLES)(difference.diff)
