"""`fti features show`: what a feature group promises, whether it holds, and who relies on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fti_assets.cli.features.groups import Name, age, deprecation, find, freshness_of, newest, summary
from fti_assets.cli.features.history import publication_row, publications_table
from fti_assets.cli.features.readers import readers_of
from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import duration, say, show_facts, show_json, show_table, size, title, width

if TYPE_CHECKING:
    from datetime import datetime

    from fti_assets.feature_store import FeatureStore, TableInfo
    from fti_assets.feature_store.publishing.freshness import Freshness

EXAMPLES = """
[bold]Examples:[/bold]

fti features show origin_weather       [dim]# its newest version[/dim]

fti features show origin_weather_v1
"""
PUBLICATIONS = 5


def show(name: Name, as_json: AsJson = False) -> None:
    """Show what a feature group promises, whether it holds, who reads it, and what was published last."""
    store = feature_store()
    info = find(store, name)
    time, fresh = newest(store, [info])[info.name], freshness_of(store, [info])[info.name]
    results, readers, history = (
        _results(store, str(info)),
        readers_of(store, info),
        store.publications(str(info), limit=PUBLICATIONS),
    )
    revisions = store.contracts("features", info.name)
    if as_json:
        told = {"results": results, "readers": readers, "publications": [asdict(one) for one in history]}
        show_json({**info.description, **summary(info, time, fresh), "features": info.description.get("features"), **told})
        return
    _show_promise(info, time, fresh, len(revisions))
    _show_columns(info)
    _show_expectations(info, results)
    title("Who reads it")
    if readers:
        show_table(["reader", "which is", "view", "reads", "last"], [_reader(one) for one in readers], whole=("view", "last"))
    else:
        say("Nobody yet: no training dataset and no predictions read it through this store.")
    title("Last publications")
    publications_table([publication_row(one, info) for one in history])


def _show_promise(info: TableInfo, time: datetime | None, fresh: Freshness, revisions: int) -> None:
    said, deprecated = info.description, deprecation(info)
    say(f"{info}", "bold")
    say(said.get("description", ""))
    if deprecated is not None:
        say(f"Deprecated: {deprecated}", "yellow")
    show_facts(
        {
            "entity": said.get("entity"),
            "key": ", ".join(said.get("key", ())),
            "event time": said.get("event_time") or said.get("time") or "none: the group is static",
            "newest": f"{time:%Y-%m-%d %H:%M} UTC" if time else None,
            "valid for": duration(said.get("ttl")),
            "fresh within": duration(said.get("fresh_within")),
            "fresh now": verdict(fresh, said),
            "tags": ", ".join(said.get("tags") or ()),
            "owner": said.get("owner"),
            "contract": f"revision {revisions}" if revisions else None,
            "stored": f"{info.rows:,} rows in {info.files:,} files, {size(info.bytes)}",
        }
    )


def verdict(fresh: Freshness, contract: dict[str, Any]) -> str | None:
    """Whether a table keeps its promise of freshness, in words."""
    if fresh.verdict == "not promised" or fresh.promised is None:
        return None
    if fresh.newest is None or fresh.age is None:
        return "NO: nothing is published"
    until = f"published until {fresh.newest:%Y-%m-%d %H:%M} UTC, {age(fresh.age)} ago"
    if fresh.verdict == "complete":
        return f"complete: its calendar ended with {contract['cadence']['end']}, and all of it is published"
    return f"yes: {until}" if fresh.verdict == "fresh" else f"NO, it is late: {until}"


def _show_columns(info: TableInfo) -> None:
    title("Columns")
    columns = [(c["name"], c["type"], c.get("unit") or "", c.get("description") or "") for c in info.description.get("columns", ())]
    show_table(["column", "type", "unit", "description"], columns, whole=("type", "unit"))


def _show_expectations(info: TableInfo, results: dict[str, dict[str, Any]]) -> None:
    title("Expectations, and what the last run saw")
    promises = info.description.get("expectations", ())
    if not promises:
        say("None.")
        return
    names = ["expectation", "what it says", "severity", "last result", "run"][: 5 if width() >= 100 else 4]
    rows = []
    for promise in promises:
        result = results.get(promise["name"])
        row = (promise["name"], promise["says"], promise["severity"], _verdict(result), result["run"][:8] if result else "")
        rows.append(row[: len(names)])
    show_table(names, rows, whole=("severity",))


def _verdict(result: dict[str, Any] | None) -> str:
    if result is None:
        return "never checked"
    of = f" on {result['partitions']:,} days" if result["partitions"] > 1 else ""
    if not result["failed"]:
        return f"held{of}"
    where = f" on {result['failed']:,} of {result['partitions']:,} days" if of else ""
    return f"FAILED{where}: {result['observed']}"


def _results(store: FeatureStore, table: str) -> dict[str, dict[str, Any]]:
    """What the last run that validated a table saw, by expectation."""
    if not store.tables("validation"):
        return {}
    with store.connect() as connection:
        found = connection.execute(_LAST_RESULTS, {"table": table})
        names = [column[0] for column in found.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in found.fetchall()}


_LAST_RESULTS = """
-- one row per expectation: what the last run that checked it saw on its partitions
SELECT expectation, run, count(*) AS partitions, count(*) FILTER (NOT passed) AS failed, sum(unexpected)::BIGINT AS unexpected,
    coalesce(first(partition || ' ' || observed ORDER BY partition) FILTER (NOT passed), '') AS observed,
    max(validated_at) AS validated_at
FROM (
    FROM lake.validation.results WHERE table_name = $table QUALIFY validated_at = max(validated_at) OVER (PARTITION BY expectation)
)
GROUP BY expectation, run
"""


def _reader(reader: dict[str, Any]) -> tuple[object, ...]:
    features = reader["features"]
    shown = f"{len(features)} features" if len(features) > 4 else ", ".join(features) or "its rows"
    return reader["name"], reader["kind"], reader["view"], shown, f"{reader['last']:%Y-%m-%d}" if reader["last"] else ""
