"""`fti features history`: what was published into a feature group, and how its contract changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.features.difference import in_words
from fti_assets.cli.features.groups import Name, days, find
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import say, show_json, show_table, title, width

if TYPE_CHECKING:
    from fti_assets.feature_store import TableInfo
    from fti_assets.feature_store.publishing.contract_registry import ContractRevision
    from fti_assets.feature_store.publishing.publications import Publication

EXAMPLES = """
[bold]Examples:[/bold]

fti features history origin_weather                  [dim]# publications and contracts, the newest first[/dim]

fti features history origin_weather_v1 --limit 100

fti features history origin_weather --json | jq '.publications[].snapshot'
"""
WIDE = 100
NARROW_COLUMNS = ("when (UTC)", "days", "rows", "changed", "snapshot")


def history(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many publications to show at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show publications and the revisions of the contract, the newest first."""
    store = feature_store()
    info = find(store, name)
    publications, revisions = store.publications(str(info), limit=limit), store.contracts("features", info.name)
    if as_json:
        show_json(
            {
                "table": str(info),
                "publications": [asdict(one) for one in publications],
                "contracts": [asdict(one) for one in reversed(revisions)],
            }
        )
        return
    say(str(info), "bold")
    title("Publications")
    publications_table([publication_row(one, info) for one in publications])
    if len(publications) == limit:
        say(f"\nOnly the last {limit:,}: give --limit for more.", "dim")
    title("Contract")
    if revisions:
        show_table(["revision", "since (UTC)", "snapshot", "what changed"], [_revision(one) for one in reversed(revisions)])
    else:
        say("None is recorded.")


def publication_row(publication: Publication, info: TableInfo) -> dict[str, object]:
    """What is shown of a publication."""
    window = publication.window
    return {
        "when (UTC)": publication.published_at,
        "what": publication.kind,
        "days": days(window, info.description.get("timezone")) if window else "all" if publication.kind == "publish" else "by key",
        "rows": publication.rows,
        "replaced": publication.replaced,
        "changed": publication.changed,
        "snapshot": publication.snapshot,
        "run": publication.run[:8],
        "code": publication.code_version,
    }


def publications_table(rows: Sequence[dict[str, object]]) -> None:
    """Prints publications; in a narrow terminal only what matters most."""
    columns = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    if width() < WIDE:
        columns = [
            name for name in columns if name in NARROW_COLUMNS or (name == "what" and any(row[name] != "publish" for row in rows))
        ]
    if rows:
        show_table(columns, [[row[name] for name in columns] for row in rows], whole=("days", "run"))
    else:
        say("None is recorded.")


def _revision(revision: ContractRevision) -> tuple[Any, ...]:
    changes = "\n".join(map(in_words, revision.changes)) or "first publication"
    return revision.revision, revision.recorded_at, revision.snapshot, changes
