"""`fti features list`: every feature group in a line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fti_assets.cli.features.groups import NEXT, freshness_of, newest, summary
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, lake_place
from fti_assets.cli.terminal import say, show_json, show_table, size, width

EXAMPLES = """
[bold]Examples:[/bold]

fti features list

fti features list --json | jq '.[].group'
"""
WIDE = 110


def list_(as_json: AsJson = False) -> None:
    """List the feature groups with their size, newest event time and freshness."""
    store = feature_store()
    tables = store.tables("features")
    times, fresh = newest(store, tables), freshness_of(store, tables)
    groups = [summary(info, times[info.name], fresh[info.name]) for info in tables]
    if as_json:
        show_json(groups)
    elif not groups:
        say(f"No feature group is published in {lake_place()}. {NEXT}")
    else:
        _show(groups)
        say("\nWhat one of them promises: fti features show NAME. Where a word is used: fti features search WORD", "dim")


def _show(groups: list[dict[str, Any]]) -> None:
    columns = ["group", "entity", "features", "rows", "files", "size", "newest", "fresh", "owner"]
    if width() < WIDE:  # of little use to those who look for a group
        columns = [name for name in columns if name not in ("entity", "files", "owner")]
    rows = [_row(group) for group in groups]
    show_table(columns, [[row[name] for name in columns] for row in rows], right=("size",), whole=("newest",))
    for group in groups:
        if group["deprecated"]:
            successor = group["deprecated"]["successor"]
            say(f"{group['table']} is deprecated{f': read {successor} instead' if successor else ''}.", "yellow")


def _row(group: dict[str, Any]) -> dict[str, object]:
    at = group["newest"]
    return {
        "group": group["table"],
        "entity": group["entity"],
        "features": group["features"],
        "rows": group["rows"],
        "files": group["files"],
        "size": size(group["bytes"]),
        "newest": f"{at:%Y-%m-%d}" if isinstance(at, datetime) else at,
        "fresh": {"fresh": "yes", "late": "LATE", "not promised": ""}.get(
            group["freshness"]["verdict"], group["freshness"]["verdict"]
        ),
        "owner": (group["owner"] or "").removeprefix("team:"),
    }
