"""`fti features search`: which group has what one is looking for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fti_assets.cli.features.groups import NEXT
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, lake_place
from fti_assets.cli.terminal import say, show_json, show_table

if TYPE_CHECKING:
    from fti_assets.feature_store.catalogue.search import Match

EXAMPLES = """
[bold]Examples:[/bold]

fti features search temperature

fti features search late share          [dim]# groups in which both words are found[/dim]

fti features search mph                 [dim]# by unit; owners, tags and entities are searched too[/dim]
"""
HITS = 4


def search(
    words: Annotated[
        list[str], typer.Argument(help="Words that all have to be found; parts of words count too.", metavar="WORD...")
    ],
    as_json: AsJson = False,
) -> None:
    """Search names, descriptions, features, tags, units, entities and owners; the best match comes first."""
    from fti_assets.feature_store.catalogue import search as finding

    tables, text = feature_store().tables("features"), " ".join(words)
    matches = finding.search(tables, text)
    if as_json:
        show_json([_data(match) for match in matches])
    elif not tables:
        say(f"No feature group is published in {lake_place()}. {NEXT}")
    elif not matches:
        meant = finding.suggestion(tables, text)
        hint = f"Did you mean '{meant}'?" if meant else "`fti features list` shows what there is."
        say(f"Nothing matches '{text}' in {len(tables):,} feature groups. {hint}")
    else:
        show_table(["group", "found in", "what it says"], [row for match in matches for row in _rows(match)], whole=("found in",))
        say(f"\n{_count(len(matches))} of {len(tables):,}, the best first. All of one: fti features show NAME", "dim")


def _count(groups: int) -> str:
    return f"{groups:,} group{'s' if groups != 1 else ''}"


def _data(match: Match) -> dict[str, object]:
    hits = [{"field": hit.field, "name": hit.name, "text": hit.text} for hit in match.hits]
    return {"table": match.table.name, "score": round(match.score, 2), "hits": hits}


def _rows(match: Match) -> list[tuple[object, ...]]:
    """Where a group was found, the best places; each feature once, with what is said about it."""
    said = {column["name"]: column for column in match.table.description.get("columns", ())}
    rows: dict[str, str] = {}
    for hit in match.hits:
        if hit.name in said:
            column = said[hit.name]
            unit = f" [{column['unit']}]" if column.get("unit") else ""
            rows.setdefault(hit.name, f"{column.get('description') or ''}{unit}".strip())
        elif hit.field == "group":
            rows.setdefault("its name", match.table.description.get("description") or "")
        else:
            rows.setdefault(f"its {hit.field}", hit.text)
    name = match.table.name + (" (deprecated)" if match.table.description.get("deprecated") else "")
    shown = [(name if n == 0 else "", place, text) for n, (place, text) in enumerate(rows.items())]
    more = [("", "", f"and {len(shown) - HITS:,} more")] if len(shown) > HITS else []
    return [*shown[:HITS], *more]
