"""`fti models list|show`: versions, how good they are, and what was decided about them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fti_assets.cli.models.naming import NEXT, Name, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import has_registry, model_registry, registry_place
from fti_assets.cli.terminal import say, show_facts, show_json, show_table, title

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelVersion

LIST_EXAMPLES = """
[bold]Example:[/bold]

fti models list
"""
SHOW_EXAMPLES = """
[bold]Examples:[/bold]

fti models show flight_delay                [dim]# the champion, or the newest where there is none[/dim]

fti models show flight_delay@challenger     [dim]# by alias[/dim]

fti models show flight_delay:2              [dim]# by number[/dim]
"""


def list_(as_json: AsJson = False) -> None:
    """List the versions of every model, the newest first."""
    registry = model_registry() if has_registry() else None
    versions = [version for name in registry.models() for version in registry.versions(name)] if registry else []
    if as_json:
        show_json([asdict(version) for version in versions])
    elif not versions:
        say(f"No model is registered at {registry_place()}. {NEXT}")
    else:
        names = ["model", "version", "aliases", "AUC on test", "decision", "dataset", "trained (UTC)"]
        show_table(names, map(_row, versions), whole=("dataset",))
        say("\nAll figures of one, and why it was promoted or not: fti models show NAME@champion", "dim")


def show(name: Name, as_json: AsJson = False) -> None:
    """Show a model's figures, where it came from, and the decision about it."""
    version = find(model_registry(), name)
    if as_json:
        show_json(asdict(version))
        return
    say(str(version), "bold")
    tags = version.tags
    show_facts(
        {
            "aliases": ", ".join(version.aliases) or "none",
            "trained": f"{version.created_at:%Y-%m-%d %H:%M} UTC",
            "decision": tags.get("decision", "none yet: the asset models/NAME_validation judges it"),
            "reason": tags.get("decision_reason"),
        }
    )
    title("Figures")
    show_table(["figure", "train", "validation", "test"], figures(version))
    title("Where it came from")
    about = {name: value for name, value in sorted(tags.items()) if not name.startswith(("decision", "decided"))}
    show_facts(about | {"mlflow_run": version.run_id})


def figures(version: ModelVersion) -> list[tuple[object, ...]]:
    """The metrics as one row for each figure, with a column for each split."""
    by_name: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in sorted(version.metrics.items()):
        name, _, split = key.rpartition("_")
        if split in ("train", "validation", "test"):
            by_name[name][split] = value
    return [(name, found.get("train"), found.get("validation"), found.get("test")) for name, found in by_name.items()]


def _row(version: ModelVersion) -> tuple[Any, ...]:
    tags = version.tags
    return (
        version.name,
        version.version,
        ", ".join(version.aliases),
        version.metrics.get("auc_test"),
        tags.get("decision", "none yet"),
        tags.get("dataset_id"),
        version.created_at,
    )
