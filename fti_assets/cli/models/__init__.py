"""`fti models`: versions in the model registry, how good they are, what was decided about them, and the decisions themselves."""

from __future__ import annotations

import typer

from fti_assets.cli.models import (
    comparison,
    deletion,
    explanation,
    exporting,
    gate,
    origin,
    promotions,
    studies,
    training,
    versions,
)

app = typer.Typer(
    help="Models: versions, aliases, quality, origin, promotion.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command("list", epilog=versions.LIST_EXAMPLES)(versions.list_)
app.command("show", epilog=versions.SHOW_EXAMPLES)(versions.show)
app.command("compare", epilog=comparison.EXAMPLES)(comparison.compare)
app.command("explain", epilog=explanation.EXAMPLES)(explanation.explain)
app.command("lineage", epilog=origin.EXAMPLES)(origin.lineage)
app.command("train", epilog=training.EXAMPLES)(training.train)
app.command("search", epilog=studies.SEARCH_EXAMPLES)(studies.search)
app.command("backtest", epilog=studies.BACKTEST_EXAMPLES)(studies.backtest)
app.command("gate", epilog=gate.EXAMPLES)(gate.gate)
app.command("promote", epilog=promotions.PROMOTE_EXAMPLES)(promotions.promote)
app.command("rollback", epilog=promotions.ROLLBACK_EXAMPLES)(promotions.rollback)
app.command("history", epilog=promotions.HISTORY_EXAMPLES)(promotions.history)
app.command("export", epilog=exporting.EXAMPLES)(exporting.export)
app.command("delete", epilog=deletion.EXAMPLES)(deletion.delete)
