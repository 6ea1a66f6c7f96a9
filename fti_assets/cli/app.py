"""The commands of `fti`, and what they have in common: help, version, and errors in one sentence."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fti_assets.cli import api_keys, datasets, features, lake, land, models, online, predictions, run, serve, status, stream
from fti_assets.cli.extras import missing_extra
from fti_assets.cli.terminal import say
from fti_assets.errors import FtiError

EXAMPLES = """
[bold]A first tour:[/bold]

fti land                          [dim]# the flights of 2013, as a partner would deliver them[/dim]

fti run flights                   [dim]# features, training dataset, model, predictions[/dim]

fti status                        [dim]# what is in the stores now[/dim]

fti features show origin_weather  [dim]# what a feature group promises, and whether it holds[/dim]

[dim]Stores are in $FTI_DATA_DIR, or in data/ of the working directory. Each command has --help with examples.[/dim]
"""


class Commands(TyperGroup):
    """Commands whose errors end in one sentence on standard error and exit code 1, unless a traceback is asked for."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (FtiError, ModuleNotFoundError) as error:
            said = error if isinstance(error, FtiError) else missing_extra(error)
            if said is None or ctx.params.get("debug"):
                raise
            say(str(said), "red", stderr=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="fti",
    cls=Commands,
    epilog=EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from fti_assets.version import code_version

        say(f"fti {code_version()}")
        raise typer.Exit


@app.callback()
def fti(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")] = False,
) -> None:
    """Feature, training and inference pipelines over a feature store and a model registry."""


app.command("land", epilog=land.EXAMPLES)(land.land)
app.command("run", epilog=run.EXAMPLES)(run.run)
app.command("stream", epilog=stream.EXAMPLES)(stream.stream)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("status", epilog=status.EXAMPLES)(status.status)
app.add_typer(features.app, name="features")
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(predictions.app, name="predictions")
app.add_typer(online.app, name="online")
app.add_typer(lake.app, name="lake")
app.command("api-key", epilog=api_keys.EXAMPLES)(api_keys.api_key)
