"""`fti models train`: a training without Dagster."""

from __future__ import annotations

from typing import Annotated

import typer

from fti_assets.cli.models.naming import find_named_program
from fti_assets.cli.results import model_facts
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import say, show_facts
from fti_assets.stores import model_registry

EXAMPLES = """
[bold]Examples:[/bold]

fti models train flight_delay                                        [dim]# as its newest version was trained[/dim]

fti models train fti_assets.systems.flights.models:flight_delay      [dim]# the first one[/dim]

fti models train flight_delay --dataset 2014-01-01-s42-5f3a9c01 --seed 7 --device cuda
"""


def train(
    name: Annotated[
        str, typer.Argument(help="Model that was trained before, or its training program.", metavar="NAME|MODULE:PROGRAM")
    ],
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="ID", help="Version of the training dataset.")] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn at random.")] = 0,
) -> None:
    """Train a challenger here and now, and register it. Nothing is promoted."""
    from fti_assets.training import TrainingRun
    from fti_assets.training import train as fit

    program = find_named_program(name)
    run = TrainingRun(device=device, seed=seed, progress=lambda text: say(text, "dim", stderr=True))
    done = fit(program, feature_store(), model_registry(), dataset_id=dataset, run=run)
    say(f"{done.version} is the challenger.", "green")
    show_facts(model_facts(done.version))
    say(f"\nMay it go? fti models gate {done.version.name}", "dim")
