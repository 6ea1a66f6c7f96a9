"""`fti features`: feature groups as the lake describes them; no code of a system is loaded."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import data_root, feature_store, known
from fti_assets.cli.terminal import duration, say, show_facts, show_json, show_table, size, title
from fti_assets.vocabulary import quoted

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore, TableInfo

LIST_EXAMPLES = """
[bold]Examples:[/bold]

fti features list

fti features list --json | jq '.[].group'
"""
SHOW_EXAMPLES = """
[bold]Examples:[/bold]

fti features show origin_weather       [dim]# its newest version[/dim]

fti features show origin_weather_v1
"""
NEXT = "`fti run SYSTEM --only features` publishes the feature groups of a system."
app = typer.Typer(help="Feature groups in the feature store.", no_args_is_help=True, rich_markup_mode="rich")


@app.command("list", epilog=LIST_EXAMPLES)
def list_(as_json: AsJson = False) -> None:
    """List the feature groups with their size and newest event time."""
    store = feature_store()
    tables = store.tables("features")
    newest = _newest(store, tables)
    groups = [_summary(info, newest[info.name]) for info in tables]
    if as_json:
        show_json(groups)
    elif not groups:
        say(f"No feature group is published in {data_root() / 'lake'}. {NEXT}")
    else:
        names = ["group", "entity", "features", "rows", "files", "size", "newest", "owner"]
        show_table(names, map(_row, groups), right=("size",))
        say("\nWhat one of them promises: fti features show NAME", "dim")


@app.command(epilog=SHOW_EXAMPLES)
def show(
    name: Annotated[str, typer.Argument(help="Feature group, with or without its version.", metavar="NAME[_vN]")],
    as_json: AsJson = False,
) -> None:
    """Show what a feature group promises, whether it holds, and what was published last."""
    store = feature_store()
    info = _find(store.tables("features"), name)
    newest = _newest(store, [info])[info.name]
    results, history = _results(store, str(info)), store.history(str(info), limit=5)
    if as_json:
        show_json({**_summary(info, newest), **info.description, "results": results, "publications": history})
        return
    _show_promise(info, newest)
    title("Columns")
    columns = [(c["name"], c["type"], c.get("unit") or "", c.get("description") or "") for c in info.description.get("columns", ())]
    show_table(["column", "type", "unit", "description"], columns)
    _show_expectations(info, results)
    title("Last publications")
    show_table(
        ["when (UTC)", "from (UTC)", "until (UTC)", "rows", "replaced", "snapshot", "run"], [_publication(*one) for one in history]
    )


def _find(tables: list[TableInfo], name: str) -> TableInfo:
    """The table of a group, or of its newest version."""
    by_table = {info.name: info for info in tables}
    if name in by_table:
        return by_table[name]
    newest = {info.description.get("group", info.name): info for info in sorted(tables, key=_version)}
    names = by_table if re.search(r"_v\d+$", name) else newest
    return newest[known("Feature group", name, names, where=str(data_root() / "lake"), next_step=NEXT)]


def _version(info: TableInfo) -> int:
    return int(info.description.get("version", 0))


def _summary(info: TableInfo, newest: datetime | None) -> dict[str, Any]:
    said = info.description
    return {
        "table": info.name,
        "group": said.get("group", info.name),
        "version": said.get("version"),
        "entity": said.get("entity"),
        "features": len(said.get("features", ())),
        "rows": info.rows,
        "files": info.files,
        "bytes": info.bytes,
        "newest": newest or "static",
        "owner": said.get("owner"),
    }


def _row(group: dict[str, Any]) -> tuple[object, ...]:
    newest = group["newest"]
    return (
        group["table"],
        group["entity"],
        group["features"],
        group["rows"],
        group["files"],
        size(group["bytes"]),
        f"{newest:%Y-%m-%d}" if isinstance(newest, datetime) else newest,
        (group["owner"] or "").removeprefix("team:"),
    )


def _newest(store: FeatureStore, tables: list[TableInfo]) -> dict[str, datetime | None]:
    """The newest event time of each group; None for a static or an empty one."""
    found: dict[str, datetime | None] = {info.name: None for info in tables}
    times = {info.name: info.description.get("time") for info in tables}
    if not tables:
        return found
    with store.connect() as connection:
        for name, time in times.items():
            if time is not None:
                row = connection.execute(f"SELECT max({quoted(time)}) FROM lake.features.{quoted(name)}").fetchone()
                found[name] = row[0] if row else None
    return found


def _show_promise(info: TableInfo, newest: datetime | None) -> None:
    said = info.description
    say(f"{info}", "bold")
    say(said.get("description", ""))
    show_facts(
        {
            "entity": said.get("entity"),
            "key": ", ".join(said.get("key", ())),
            "event time": said.get("time") or "none: the group is static",
            "newest": f"{newest:%Y-%m-%d %H:%M} UTC" if newest else None,
            "valid for": duration(said.get("ttl")),
            "fresh within": duration(said.get("fresh_within")),
            "owner": said.get("owner"),
            "stored": f"{info.rows:,} rows in {info.files:,} files, {size(info.bytes)}",
        }
    )


def _show_expectations(info: TableInfo, results: dict[str, dict[str, Any]]) -> None:
    title("Expectations, and what the last run saw")
    rows = []
    for promise in info.description.get("expectations", ()):
        result = results.get(promise["name"])
        rows.append((promise["name"], promise["says"], promise["severity"], _verdict(result), result["run"][:8] if result else ""))
    show_table(["expectation", "what it says", "severity", "last result", "run"], rows)


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


def _publication(snapshot: int, at: Any, run: str, note: dict[str, Any]) -> tuple[object, ...]:
    start, end = note.get("window") or ("whole", "")
    return at, start[:16], end[:16], note.get("rows"), note.get("replaced"), snapshot, run[:8]
