"""`fti serve`: predictions at the moment of asking, by HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fti_assets.cli.systems import system_contracts

EXAMPLES = """
[bold]Examples:[/bold]

fti serve flights                                   [dim]# http://127.0.0.1:8080, and a page to look at[/dim]

fti serve flights --clock 2013-06-01T15:00:00Z      [dim]# as if it were then[/dim]

fti serve flights --challenger-share 0.1            [dim]# the challenger answers for a tenth of the entities[/dim]

fti serve flights --shadow                          [dim]# the challenger scores too, into the log only[/dim]

fti serve flights --settings serving.yaml --workers 2

curl -s localhost:8080/predict/flight_delay -H 'Content-Type: application/json' \\
  -d '{"row": {"carrier": "B6", "flight_number": 839, "origin": "JFK", "scheduled_departure": "2014-01-01T04:59:00Z"}}'

[dim]Online tables come first: `fti run flights` makes them. Beyond this machine it listens with API keys only.[/dim]
"""


def serve(
    system: Annotated[str, typer.Argument(help="A system, as flights, or a package of yours that has a module `contracts`.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 is any that is free.")] = 8080,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Serve this one only; may be given several times.", metavar="MODEL")
    ] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="YAML file; the options below come before it.")] = None,
    clock: Annotated[
        str | None, typer.Option("--clock", metavar="TIME", help="The present, for requests that give no request_time.")
    ] = None,
    challenger_share: Annotated[
        float | None, typer.Option("--challenger-share", min=0, max=1, help="Share of entities that the challenger answers for.")
    ] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Let the challenger score too, into the log only.")] = False,
    poll: Annotated[float | None, typer.Option("--poll", metavar="SECONDS", help="Between two looks for a new champion.")] = None,
) -> None:
    """Answer predictions by HTTP: features from the online store, the champion from the registry."""
    from fti_assets.serving import ServedSystem, Settings, read_settings
    from fti_assets.serving.server import serve as run
    from fti_assets.serving.settings import parsed_time

    chosen = read_settings(settings) if settings else Settings()
    given: dict[str, Any] = {
        "clock": parsed_time(clock),
        "challenger_share": challenger_share,
        "shadow": shadow or None,
        "poll_seconds": poll,
    }
    chosen = replace(chosen, **{name: value for name, value in given.items() if value is not None})
    run(ServedSystem.of(system_contracts(system), models or ()), chosen, host=host, port=port, workers=workers)
