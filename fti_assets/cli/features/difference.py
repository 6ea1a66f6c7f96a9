"""`fti features diff`: how two versions of a feature group, or two revisions of one, differ in what they promise."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.features.groups import Name, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import duration, say, show_json, show_table, title
from fti_assets.errors import FtiError, NotFoundError
from fti_assets.vocabulary import Deprecation

if TYPE_CHECKING:
    from fti_assets.feature_store import Change, FeatureStore, TableInfo

EXAMPLES = """
[bold]Examples:[/bold]

fti features diff origin_weather_v1 origin_weather_v2    [dim]# two versions[/dim]

fti features diff origin_weather_v1 --revision 1 3       [dim]# two states of one contract[/dim]

fti features diff origin_weather_v1                      [dim]# the last two of them[/dim]
"""


def diff(
    name: Name,
    other: Annotated[str | None, typer.Argument(help="Another version to compare it with.", metavar="[OTHER_vN]")] = None,
    revision: Annotated[
        tuple[int, int] | None, typer.Option("--revision", metavar="OLD NEW", help="Two revisions of its contract.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how the contract of a feature group changed, and what its readers cannot go on with."""
    from fti_assets.feature_store.publishing.contracts import compare

    store = feature_store()
    info = find(store, name)
    if other is not None and revision is not None:
        raise FtiError("Two groups and two revisions cannot be compared at once.", next_step="Leave one of them out.")
    (first, old), (second, new) = _versions(store, info, find(store, other)) if other else _revisions(store, info, revision)
    changes = compare(old, new)
    if as_json:
        show_json({"first": first, "second": second, "changes": [asdict(change) for change in changes]})
        return
    say(f"{first} -> {second}", "bold")
    if not changes:
        say("They promise the same.")
        return
    for compatible, heading in ((False, "Those who read it cannot go on with"), (True, "They can go on with")):
        rows = [(change.what, _change(change)) for change in changes if change.compatible is compatible]
        if rows:
            title(heading)
            show_table(["what", "how it differs"], rows)


def _versions(store: FeatureStore, info: TableInfo, other: TableInfo) -> list[tuple[str, dict[str, Any]]]:
    return [(one.name, store.contract("features", one.name)) for one in (info, other)]


def _revisions(store: FeatureStore, info: TableInfo, wanted: tuple[int, int] | None) -> list[tuple[str, dict[str, Any]]]:
    known = {one.revision: one.contract for one in store.contracts("features", info.name)}
    if wanted is None and len(known) < 2:
        others = [
            table.name for table in store.tables("features") if table.description.get("group") == info.description.get("group")
        ]
        several = len(others) > 1
        raise NotFoundError(
            f"The contract of '{info.name}' has not changed since its first publication, so there is nothing to compare it with.",
            next_step=f"Compare two versions: fti features diff {' '.join(others[-2:])}" if several else None,
        )
    numbers = wanted or tuple(sorted(known)[-2:])
    unknown = [str(number) for number in numbers if number not in known]
    if unknown:
        raise NotFoundError(
            f"The contract of '{info.name}' has no revision {' and '.join(unknown)}. It has: {', '.join(map(str, known))}."
        )
    return [(f"{info.name} revision {number}", known[number]) for number in numbers]


def in_words(change: Change) -> str:
    """A change as a sentence: `unit of 'temp_f': °F -> °C`."""
    return f"{change.what}: {_change(change)}"


def _change(change: Change) -> str:
    if change.old is None or change.new is None:
        return f"{'added' if change.old is None else 'removed'}: {_shown(change.new if change.old is None else change.old)}"
    return f"{_shown(change.old)} -> {_shown(change.new)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "reason" in value:
        return str(Deprecation(**value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(duration(str(value)))
