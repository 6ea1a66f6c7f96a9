"""`fti online list`: every online table in a line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fti_assets.cli.features.groups import age
from fti_assets.cli.options import AsJson
from fti_assets.cli.terminal import say, show_json, show_table, size, width
from fti_assets.stores import online_store

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore, OnlineTable

EXAMPLES = """
[bold]Examples:[/bold]

fti online list

fti online list --json | jq '.tables[].entities'
"""
NEXT = "`fti online load SYSTEM` loads the groups of a system from the lake."
_WIDE = 110


def list_(as_json: AsJson = False) -> None:
    """List the online tables: how many entities each has, how fresh they are, and which snapshot of the lake they show."""
    store = online_store()
    tables, events = store.tables(), _events(store)
    if as_json:
        show_json({"tables": [_summary(table) for table in tables], "events": events})
        return
    if tables:
        _show(tables)
    for one in events:
        say(f"Events of {one['group']} are kept by {', '.join(one['by'])}, for windows of up to {one['longest']}.")
    if not tables and not events:
        say(f"There is nothing in {store}. {NEXT}")
    else:
        say(f"\nIn {store}. One entity of a group: fti online get GROUP key=value", "dim")


def _summary(table: OnlineTable) -> dict[str, Any]:
    return {
        "table": table.name,
        "keys": [key.name for key in table.keys],
        "entities": table.entities,
        "bytes": table.size,
        "newest": table.newest_event or (None if table.event_time else "static"),
        "until": table.until,
        "snapshot": table.snapshot,
        "published_until": table.published_until,
        "generation": table.generation,
        "loaded_at": table.loaded_at,
        "updated_at": table.updated_at,
    }


def _events(store: OnlineStore) -> list[dict[str, Any]]:
    """What events are kept for windows: of which groups, by which columns."""
    from datetime import timedelta

    from fti_assets.online_store.windows import registered

    names = sorted({name.split(":")[1] for name in store.backend.tables() if name.startswith("windows:")})
    with store.reading() as reader:
        found = [said for name in names if (said := registered(reader, name))]
    return [
        {"group": said.group, "by": layout.by, "longest": str(timedelta(microseconds=layout.longest))}
        for said in found
        for layout in said.layouts
    ]


def _show(tables: list[OnlineTable]) -> None:
    now = datetime.now(UTC)
    columns = ["group", "entities", "newest event", "age", "snapshot", "generation", "size", "loaded"]
    if width() < _WIDE:
        columns = [name for name in columns if name not in ("generation", "loaded")]
    rows = [_row(table, now) for table in tables]
    show_table(columns, [[row[name] for name in columns] for row in rows], right=("size", "age"), whole=("newest event", "loaded"))
    replayed = [table for table in tables if table.until]
    if replayed:
        said = ", ".join(f"{table.name} until {table.until:%Y-%m-%d %H:%M}" for table in replayed)
        say(f"\nA replay of history: {said}.", "yellow")


def _row(table: OnlineTable, now: datetime) -> dict[str, object]:
    newest = table.newest_event
    return {
        "group": table.name,
        "entities": table.entities,
        "newest event": newest or (None if table.event_time else "static"),
        "age": age(now - newest) if newest and newest <= now else None,
        "snapshot": table.snapshot,
        "generation": table.generation,
        "size": size(table.size),
        "loaded": table.loaded_at,
    }
