"""`fti predictions`: what models said of a day, and how it turned out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.options import AsJson
from fti_assets.cli.stores import feature_store, known, lake_place
from fti_assets.cli.terminal import say, share, show_json, show_table
from fti_assets.errors import FtiError, NotFoundError
from fti_assets.vocabulary import Daily, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from fti_assets.feature_store import FeatureStore, TableInfo

EXAMPLES = """
[bold]Examples:[/bold]

fti predictions show flight_delay                           [dim]# the newest rows[/dim]

fti predictions show flight_delay --day 2013-12-24 --rows 20

fti predictions show flight_delay --summary                 [dim]# by day, with how they turned out[/dim]
"""
NEXT = "`fti run SYSTEM --only inference` makes some."
app = typer.Typer(help="Predictions, and how they turned out.", no_args_is_help=True)


@app.callback()
def predictions() -> None:
    """Predictions, and how they turned out."""


@app.command(epilog=EXAMPLES)
def show(
    name: Annotated[str, typer.Argument(help="Name of the predictions.", metavar="NAME")],
    day: Annotated[str | None, typer.Option("--day", metavar="DAY", help="Only this day, as 2013-12-24.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many rows to show at most.")] = 10,
    summary: Annotated[bool, typer.Option("--summary", help="One row for each day, with how it turned out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show predictions, the newest first; or a summary of each day."""
    store = feature_store()
    tables = {info.name: info for info in store.tables("predictions")}
    info = tables[known("Predictions", name, tables, where=lake_place(), next_step=NEXT)]
    if day is not None:
        Daily.day(day)
    with store.reading() as connection:
        found = _summary(store, connection, info, day) if summary else _rows(connection, info, day, rows)
    if not found and day:
        raise NotFoundError(
            f"There are no predictions '{name}' for {day}.", next_step=f"`fti predictions show {name} --summary` lists the days."
        )
    if as_json:
        show_json(found)
    elif summary:
        _show_summary(info, found)
    else:
        _show_rows(info, found)


def time_zone(info: TableInfo) -> str:
    """The zone whose days the table is published by; UTC where the lake does not say."""
    return str(info.description.get("timezone") or "UTC")


def _time(info: TableInfo) -> str:
    time = info.description.get("time")
    if time is None:
        raise FtiError(
            f"'{info}' has no time column, so it has no days.",
            next_step="Publish it anew: its description is from an older version.",
        )
    return quoted(time)


def _day(info: TableInfo) -> str:
    return f"strftime(timezone($zone, {_time(info)}), '%Y-%m-%d')"


def _rows(connection: DuckDBPyConnection, info: TableInfo, day: str | None, limit: int) -> list[dict[str, Any]]:
    where = f"WHERE {_day(info)} = $day" if day else ""
    query = f"SELECT * FROM lake.predictions.{quoted(info.name)} {where} ORDER BY {_time(info)} DESC LIMIT $limit"
    values: dict[str, object] = {"limit": limit} | ({"zone": time_zone(info), "day": day} if day else {})
    return _records(connection, query, values)


def _summary(store: FeatureStore, connection: DuckDBPyConnection, info: TableInfo, day: str | None) -> list[dict[str, Any]]:
    monitored = info.name in {table.name for table in store.tables("monitoring")}
    outcomes = f"FROM lake.monitoring.{quoted(info.name)}" if monitored else _NO_OUTCOMES
    query = f"""
    -- one row per day
    SELECT made.*, outcomes, base_rate, auc FROM (
        SELECT {_day(info)} AS day, count(*) AS predictions, avg(prediction) AS mean_prediction, max(model_version) AS model_version
        FROM lake.predictions.{quoted(info.name)} GROUP BY ALL
    ) AS made LEFT JOIN (
        SELECT strftime(timezone($zone, day), '%Y-%m-%d') AS day, outcomes, base_rate, auc {outcomes}
    ) AS known USING (day)
    WHERE $day IS NULL OR day = $day ORDER BY day
    """
    return _records(connection, query, {"zone": time_zone(info), "day": day})


_NO_OUTCOMES = """
FROM (SELECT NULL::TIMESTAMPTZ AS day, NULL::BIGINT AS outcomes, NULL::DOUBLE AS base_rate, NULL::DOUBLE AS auc WHERE false)
"""


def _records(connection: DuckDBPyConnection, query: str, values: dict[str, object]) -> list[dict[str, Any]]:
    result = connection.execute(query, values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _show_rows(info: TableInfo, rows: list[dict[str, Any]]) -> None:
    """The keys, the prediction and its model; what is the same in every row is said below the table."""
    hidden = ("view_version", "snapshot", "predicted_at")
    names = [name for name in (rows[0] if rows else ()) if name not in hidden]
    numbers = [name for name in names if any(isinstance(row[name], (int, float)) for row in rows)]
    values = [[str(value) if isinstance(value := row[name], int) else value for name in names] for row in rows]
    show_table(names, values, right=numbers)  # whole numbers are names here, so they have no separators
    if rows:
        first = rows[0]
        say(
            f"\n{len(rows):,} of {info.rows:,} rows, times in UTC. Made at {first['predicted_at']:%Y-%m-%d %H:%M} from snapshot"
            f" {first['snapshot']} of the lake, view version {first['view_version']}.",
            "dim",
        )


def _show_summary(info: TableInfo, days: list[dict[str, Any]]) -> None:
    shares = ("mean_prediction", "base_rate")
    table = [[share(value) if name in shares and value is not None else value for name, value in day.items()] for day in days]
    show_table(["day", "predictions", "mean prediction", "model version", "known outcomes", "positive", "AUC"], table)
    unknown = sum(day["outcomes"] is None for day in days)
    say(f"\n{sum(day['predictions'] for day in days):,} predictions; days are those of {time_zone(info)}.", "dim")
    if unknown:
        say(f"{unknown:,} of the {len(days):,} days were not compared with their outcomes yet.", "dim")
