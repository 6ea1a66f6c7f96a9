"""`fti models compare`: two versions side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.models.naming import Name, find, known_model
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import model_registry
from fti_assets.cli.terminal import counted, say, show_json, show_table, title

if TYPE_CHECKING:
    from fti_assets.model_registry import ModelRegistry, ModelVersion

EXAMPLES = """
[bold]Examples:[/bold]

fti models compare flight_delay                     [dim]# the champion and the challenger[/dim]

fti models compare flight_delay:1 flight_delay:3
"""
_SAME = ("decision", "decided", "model_id")


def compare(
    name: Name,
    other: Annotated[
        str | None, typer.Argument(help="The other version; the challenger unless given.", metavar="NAME[@ALIAS|:VERSION]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: figures, origin, and what was installed where they were trained."""
    registry = model_registry()
    one, two = _both(registry, name, other)
    figures = [(key, one.metrics.get(key), two.metrics.get(key)) for key in dict.fromkeys([*one.metrics, *two.metrics])]
    origin = list(_differing(one.tags, two.tags))
    packages = list(_differing(registry.environment(one), registry.environment(two)))
    if as_json:
        show_json(
            {
                "versions": [one.version, two.version],
                "figures": {key: [first, second] for key, first, second in figures},
                "origin": {key: [first, second] for key, first, second in origin},
                "packages": {key: [first, second] for key, first, second in packages},
            }
        )
        return
    columns = [_heading(one), _heading(two)]
    show_table(["figure", *columns, "difference"], [(*row, _difference(*row[1:])) for row in figures])
    title("Where they come from")
    show_table(["", *columns], origin) if origin else say("The same in all that is recorded.")
    title("What was installed")
    if packages:
        show_table(["package", *columns], packages)
    else:
        say(f"The same: {counted(len(registry.environment(one)), 'package')}.")


def _both(registry: ModelRegistry, name: str, other: str | None) -> tuple[ModelVersion, ModelVersion]:
    if other is not None:
        return find(registry, name), find(registry, other)
    model = known_model(registry, name.partition("@")[0].partition(":")[0])
    return find(registry, name), registry.get(model, "challenger")


def _heading(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.name}:{version.version}{aliases}"


def _difference(one: float | None, two: float | None) -> str | None:
    return None if one is None or two is None else f"{two - one:+.4f}"


def _differing(one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*one, *two}):
        if one.get(key) != two.get(key) and not key.startswith(_SAME):
            yield key, one.get(key), two.get(key)
