"""`fti datasets`: training datasets by their manifests; no code of a system is loaded."""

from __future__ import annotations

import typer

from fti_assets.cli.datasets import difference, manifests, recreation

app = typer.Typer(help="Training datasets: what was cut from the feature store, and when.", no_args_is_help=True)
app.command("list", epilog=manifests.LIST_EXAMPLES)(manifests.list_)
app.command("show", epilog=manifests.SHOW_EXAMPLES)(manifests.show)
app.command("recreate", epilog=recreation.EXAMPLES)(recreation.recreate)
app.command("diff", epilog=difference.EXAMPLES)(difference.diff)
