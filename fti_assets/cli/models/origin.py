"""`fti models lineage`: where a version comes from, and what came of it."""

from __future__ import annotations

from dataclasses import asdict

from fti_assets.cli.models.naming import Name, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, model_registry
from fti_assets.cli.terminal import counted, say, show_facts, show_json

EXAMPLES = """
[bold]Examples:[/bold]

fti models lineage flight_delay               [dim]# of the champion[/dim]

fti models lineage flight_delay:2 --json
"""


def lineage(name: Name, as_json: AsJson = False) -> None:
    """Show what a version was made of: dataset, snapshot, features, code, environment, runs; and which predictions it made."""
    from fti_assets.model_registry import Lineage

    registry = model_registry()
    version = find(registry, name)
    found, packages = Lineage.of(version), registry.environment(version)
    predictions = _predictions(found.model, found.version)
    if as_json:
        show_json({**asdict(found), "predictions": predictions, "packages": packages})
        return
    say(str(version), "bold")
    facts = {key.replace("_", " "): value for key, value in asdict(found).items() if key not in ("model", "version", "groups")}
    made = {name: f"{rows:,} rows" for name, rows in predictions.items()}
    show_facts(
        {
            **facts,
            "feature groups": ", ".join(found.groups),
            "installed": counted(len(packages), "package") if packages else None,
            "predictions": ", ".join(f"{name} ({rows})" for name, rows in made.items()) or "none",
        }
    )


def _predictions(model: str, version: int) -> dict[str, int]:
    """The rows that a version predicted, by the name of the predictions; none where there is no lake."""
    from fti_assets.vocabulary import quoted

    store = feature_store()
    if not store.lake.is_there:
        return {}
    found = {}
    names = [info.name for info in store.tables("predictions") if info.description.get("model") == model]
    with store.reading() as connection:
        for name in names:
            query = f"SELECT count(*) FROM lake.predictions.{quoted(name)} WHERE model_version = ?"
            row = connection.execute(query, [version]).fetchone()
            if row and row[0]:
                found[name] = int(row[0])
    return found
