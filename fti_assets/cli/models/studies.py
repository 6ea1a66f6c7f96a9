"""`fti models search` and `fti models backtest`: several trainings that answer one question, without Dagster."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from fti_assets.cli.models.naming import find_named_program
from fti_assets.cli.results import model_facts
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import say, show_facts, show_table, title
from fti_assets.errors import DefinitionError
from fti_assets.stores import model_registry

SEARCH_EXAMPLES = """
[bold]Examples:[/bold]

fti models search flight_delay --trials 40              [dim]# goes on where an earlier one was ended[/dim]

fti models search fti_assets.systems.flights.models:flight_delay --trials 20 --workers 2
"""
BACKTEST_EXAMPLES = """
[bold]Examples:[/bold]

fti models backtest flight_delay --cutoff 2013-10-01 --cutoff 2013-11-01

fti models backtest flight_delay --cutoff 2014-01-01 --count 6 --every-days 30
"""
Name = Annotated[str, typer.Argument(help="Model that was trained before, or its training program.", metavar="NAME|MODULE:PROGRAM")]


def search(
    name: Name,
    trials: Annotated[int, typer.Option("--trials", help="In all; those of a search that was ended count.")] = 30,
    workers: Annotated[int, typer.Option("--workers", help="Processes at once.")] = 1,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="ID", help="Version of the training dataset.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sampler; another one begins another search.")] = 0,
) -> None:
    """Search parameters on the validation split, and register the best as the challenger. Nothing is promoted."""
    from fti_assets.training import SearchSettings, TrainingRun
    from fti_assets.training import search as look

    program = find_named_program(name)
    run = TrainingRun(progress=lambda text: say(text, "dim", stderr=True))
    settings = SearchSettings(trials=trials, workers=workers, seed=seed)
    found = look(program, feature_store(), model_registry(), settings, dataset_id=dataset, run=run)
    title("Best trials")
    best = sorted((trial for trial in found.trials if trial.loss is not None), key=lambda trial: trial.loss or 0.0)[:10]
    names = list(dict.fromkeys(parameter for trial in best for parameter in trial.params))
    rows = [(trial.number, trial.loss, trial.state, *(trial.params.get(parameter) for parameter in names)) for trial in best]
    show_table(["trial", "log loss", "state", *names], rows)
    say(f"\n{found.trained.version} is the challenger.", "green")
    show_facts(model_facts(found.trained.version))


def backtest(
    name: Name,
    cutoff: Annotated[list[str], typer.Option("--cutoff", metavar="DAY", help="Day before which rows count; may be repeated.")],
    count: Annotated[int, typer.Option("--count", help="How many cut-offs, the one given being the last.")] = 1,
    every_days: Annotated[int, typer.Option("--every-days", help="Days between two of them.")] = 30,
) -> None:
    """Train as of several days and measure each model on what came before its cut-off. Nothing is registered."""
    from fti_assets.training import TrainingRun
    from fti_assets.training import backtest as look_back
    from fti_assets.vocabulary import Daily

    program, store, registry = find_named_program(name), feature_store(), model_registry()
    if len(cutoff) > 1 and count > 1:
        raise DefinitionError("--count counts back from one --cutoff.", next_step="Give one --cutoff, or no --count.")
    last = [Daily.day(day) for day in cutoff]
    days = last if count == 1 else [last[0] - timedelta(days=n * every_days) for n in reversed(range(count))]
    run = TrainingRun(progress=lambda text: say(text, "dim", stderr=True))
    for day in days:
        say(f"Cut-off {day}", "bold", stderr=True)
        look_back(program, store, registry, day, run=run)
    title(f"Backtest of {program.model.name}")
    names = ("rows", "auc", "average_precision", "log_loss", "calibration_error", "base_rate")
    found = registry.backtests(program.model.name)
    show_table(["cut-off", *(one.replace("_", " ") for one in names)], [(day, *(m[one] for one in names)) for day, m in found])
