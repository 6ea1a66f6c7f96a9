"""`fti models explain`: which features made a prediction what it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fti_assets.cli.models.naming import Name, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import model_registry
from fti_assets.cli.terminal import say, show_json, show_table, title
from fti_assets.errors import NotFoundError

EXAMPLES = """
[bold]Examples:[/bold]

fti models explain flight_delay rows.parquet                [dim]# the first five rows of a file that has the features[/dim]

fti models explain flight_delay:2 rows.parquet --rows 1 --features 10 --json
"""


def explain(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Parquet file with the features of the model.", metavar="FILE")],
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many, from the first.")] = 5,
    features: Annotated[int, typer.Option("--features", min=1, help="How many of each row, those of largest effect.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show what each feature did to some predictions: SHAP values in log-odds, of models of trees."""
    import pyarrow.parquet as pq

    from fti_assets.training import explain_rows

    if not file.is_file():
        raise NotFoundError(f"There is no file {file}.", next_step="`fti models export` writes an example of rows beside a model.")
    registry = model_registry()
    version = find(registry, name)
    model = registry.load(version.name, version.version).model
    table = pq.read_table(file).slice(0, rows)
    explained = zip(model.predict(table), explain_rows(model, table, features), strict=True)
    found = [(float(score), [asdict(effect) for effect in effects]) for score, effects in explained]
    if as_json:
        show_json([{"prediction": score, "effects": effects} for score, effects in found])
        return
    say(str(version), "bold")
    for number, (score, effects) in enumerate(found):
        title(f"Row {number}: {score:.1%}")
        show_table(["feature", "value", "effect on log-odds"], [tuple(effect.values()) for effect in effects])
