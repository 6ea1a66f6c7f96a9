"""`fti models gate`: the challenger against the gates of its model, for a pipeline in any CI system."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from fti_assets.cli.models.naming import Model, find_named_program
from fti_assets.cli.stores import feature_store, model_registry
from fti_assets.cli.terminal import console, say
from fti_assets.errors import FtiError

EXAMPLES = """
[bold]Examples:[/bold]

fti models gate flight_delay && echo it may go                [dim]# 0 passed, 1 not passed, 2 could not be judged[/dim]

fti models gate flight_delay --report report.md --promote     [dim]# a challenger that passes becomes the champion[/dim]
"""
NOT_PASSED, NOT_JUDGED = 1, 2


def gate(
    name: Model,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write the report there.")] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the champion if it passes.")] = False,
) -> None:
    """Judge the challenger by the gates of its model; the report is Markdown. Exit code 0: passed, 1: not, 2: not judged."""
    from mlflow.exceptions import MlflowException

    try:
        passed = _judged(name, report, promote=promote)
    except (FtiError, MlflowException, OSError, ValueError, LookupError, ImportError) as error:
        say(str(error), "red", stderr=True)
        raise typer.Exit(NOT_JUDGED) from error
    except Exception as error:  # left alone it would end in 1, which says that it was judged and did not pass
        console(stderr=True).print_exception()
        raise typer.Exit(NOT_JUDGED) from error
    if not passed:
        raise typer.Exit(NOT_PASSED)


def _judged(name: str, report: Path | None, *, promote: bool) -> bool:
    from fti_assets.training import gate_report, judge_challenger

    registry = model_registry()
    program = find_named_program(name)
    with console(stderr=True).status(f"Judging the challenger of {program.model.name}"):
        judged = judge_challenger(program.model, feature_store(), registry)
    passed = judged.verdict.promoted
    with report.open("w", encoding="utf-8") if report else nullcontext(sys.stdout) as out:
        out.write(gate_report(judged))
        out.flush()  # a report that cannot be written promotes nothing
        if passed and promote and not judged.stands:
            out.write(f"\n{judged.carry_out(registry)} was promoted: it is the champion now.\n")
    if report:
        say(f"{judged.challenger}: {'passed' if passed else 'not passed'}. The report is in {report}.")
    return passed
