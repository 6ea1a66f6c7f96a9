"""`fti datasets diff`: how two stored datasets differ, by what their manifests say and by their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.datasets.manifests import Name, find, instant
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import say, share, show_json, show_table, shown, title

if TYPE_CHECKING:
    from fti_assets.feature_store import ColumnChange, DatasetComparison, Fact

EXAMPLES = """
[bold]Examples:[/bold]

fti datasets diff flight_delay/2014-01-01-s42-5f3a9c01 flight_delay    [dim]# one of old and the newest[/dim]

fti datasets diff flight_delay                                         [dim]# the last two[/dim]
"""
EXAMPLE_COLUMNS = 8
DEFINITIONS = 12


def diff(
    first: Name,
    second: Annotated[str | None, typer.Argument(help="The one to compare it with.", metavar="[NAME[/ID]]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what two training datasets differ in: origin, rows, and values by column with examples.

    Rows are compared by their key, not by their place.
    """
    from fti_assets.feature_store import compare_datasets

    store = feature_store()
    other_folder, other = find(store, second or first)
    folder, one = find(store, first)
    if second is None:
        versions = store.datasets(one.dataset)
        place = [manifest.id for _, manifest in versions].index(other.id)
        folder, one = versions[max(0, place - 1)]
    found = compare_datasets(folder, other_folder)
    if as_json:
        show_json({"first": str(one), "second": str(other), **asdict(found)})
        return
    say(f"{one} -> {other}", "bold")
    if one.id == other.id and one.dataset == other.dataset:
        say("There is one version only: it is compared with itself.", "dim")
    show_comparison(found, "first", "second")


def show_comparison(found: DatasetComparison, first: str, second: str) -> None:
    """Prints how two versions differ, called by these words."""
    _show_facts("Manifests", found.facts, first, second)
    _show_facts("Definitions", found.definition[:DEFINITIONS], first, second)
    if len(found.definition) > DEFINITIONS:
        say(f"and {len(found.definition) - DEFINITIONS:,} more, see --json", "dim")
    title("Rows")
    if not found.key:
        say("They were not compared: the manifests do not say, or say differently, by which key rows belong together.")
    elif found.same_rows:
        say(f"The same rows, with the same values; by {', '.join(found.key)}.")
    else:
        _show_rows(found, first, second)
        _show_columns(found, first, second)


def _show_facts(heading: str, facts: Iterable[Fact], first: str, second: str) -> None:
    rows = [(fact.name, _fact(fact.first), _fact(fact.second)) for fact in facts]
    if rows:
        title(f"{heading} differ in")
        show_table(["what", first, second], rows)


def _fact(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return share(value)
    text = str(value)
    if " .. " in text:
        return " to ".join(instant(part) for part in text.split(" .. "))
    return f"{text[:12]}…" if len(text) == 64 else instant(text) if text[10:11] == "T" else shown(value)


def _show_rows(found: DatasetComparison, first: str, second: str) -> None:
    counts = {
        f"only in {first}": found.only_first,
        f"only in {second}": found.only_second,
        "in another split": found.moved,
    }
    rows = [
        (what, sum(by_split.values()), _by_split(by_split), "; ".join(map(_key, found.examples.get(name, ()))))
        for (what, by_split), name in zip(counts.items(), ("only_first", "only_second", "moved"), strict=True)
        if by_split
    ]
    if rows:
        show_table(["rows", "count", "by split", "such as"], rows)
    else:
        say(f"The same rows, by {', '.join(found.key)}.")


def _show_columns(found: DatasetComparison, first: str, second: str) -> None:
    for where, names in ((first, found.columns_only_first), (second, found.columns_only_second)):
        if names:
            say(f"Columns only in {where}: {', '.join(names)}.")
    for fact in found.types:
        say(f"Column '{fact.name}' is {fact.first} in {first} and {fact.second} in {second}; its values were not compared.")
    if not found.columns:
        return
    title("Changed values")
    changed = sorted(found.columns, key=lambda column: -sum(column.rows.values()))
    rows = [row for column in changed[:EXAMPLE_COLUMNS] for row in _examples(column)]
    rows += [(column.name, sum(column.rows.values()), _by_split(column.rows), "", "", "") for column in changed[EXAMPLE_COLUMNS:]]
    show_table(["column", "rows", "by split", "such as", first, second], rows, right=(first, second))


def _examples(column: ColumnChange) -> list[tuple[object, ...]]:
    """A line for each example; what is said of the column stands in the first."""
    heads: list[tuple[object, ...]] = [
        (column.name, sum(column.rows.values()), _by_split(column.rows)),
        ("", None, ""),
        ("", None, ""),
    ]
    return [
        (*head, _key(key), _value(before), _value(after))
        for head, (key, before, after) in zip(heads, column.examples, strict=False)
    ]


def _by_split(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count:,}" for split, count in counts.items())


def _key(key: Mapping[str, Any]) -> str:
    return " ".join(str(value) if isinstance(value, int) else shown(value) for value in key.values())


def _value(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else shown(value)
