"""What was published, kept in the lake itself: `catalog.publications`, which outlives the snapshots that it names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.errors import PublishError
from fti_assets.feature_store.lake.lake import current_snapshot
from fti_assets.feature_store.publishing.schema import OF_TABLE, stored_columns
from fti_assets.vocabulary import Column, Table, Window

Kind = Literal["publish", "append", "upsert", "retract", "lost"]
PUBLICATIONS = Table(
    schema="catalog",
    name="publications",
    columns=(
        Column("table_name", "string"),
        Column(
            "kind", "string", "How rows came or went: publish, append, upsert or retract; lost, where a damaged file was given up."
        ),
        Column("snapshot", "int", "First snapshot that shows it."),
        Column("published_at", "timestamp", "Later than that of every publication of the table before."),
        Column("window_start", "timestamp"),
        Column("window_end", "timestamp"),
        Column("rows", "int", "Rows that were given."),
        Column("replaced", "int", "Rows that were there before, in the window or under the keys."),
        Column("changed", "int", "Rows that differ from those: new, altered or withdrawn. Null where they are not compared."),
        Column("run", "string"),
        Column("code_version", "string"),
    ),
    key=(),
)
_FIELDS = tuple(column.name for column in PUBLICATIONS.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What one publication made visible.

    Attributes:
        window: None when the rows have no window: a table without time, or rows given by key.
        rows: rows that were given.
        replaced: rows that were there before, in the window or under the keys.
        changed: rows that differ from those: new, altered or withdrawn; None for tables that keep no superseded rows.
        snapshot: the first snapshot of the lake that shows it.
        published_at: later than that of every publication of the table before.
    """

    table: str
    kind: Kind
    window: Window | None
    rows: int
    replaced: int
    changed: int | None
    snapshot: int
    published_at: datetime
    run: str = ""
    code_version: str = ""


def next_instant(connection: DuckDBPyConnection, table: Table | str, stated: datetime | None = None) -> datetime:
    """The publication time of what is being published: now, or the one `stated`; within the transaction that publishes.

    Raises:
        PublishError: the stated one is not after the table's last, or in the future.
    """
    last, now = _last_instant(connection, table), datetime.now(UTC)
    if stated is None:
        return now if last is None or last < now else last + timedelta(microseconds=1)  # clocks may be set back
    if stated.tzinfo is None:
        raise PublishError(f"The publication time {stated.isoformat()} carries no time zone.", next_step="Give it one: tzinfo=UTC.")
    if stated > now:
        raise PublishError(f"'{table}' cannot be published at {stated.isoformat()}, which is in the future.")
    if last is not None and stated <= last:
        raise PublishError(
            f"'{table}' cannot be published at {stated.isoformat()}: it was published at {last.isoformat()} already.",
            next_step="Import history in its order, oldest first, or leave published_at out to publish it as of now.",
        )
    return stated.astimezone(UTC)


def _last_instant(connection: DuckDBPyConnection, table: Table | str) -> datetime | None:
    query = f"SELECT max(published_at) FILTER (table_name = $table) FROM {PUBLICATIONS.sql}"
    row = connection.execute(query, {"table": str(table)}).fetchone()
    return row[0] if row else None


def next_snapshot(connection: DuckDBPyConnection) -> int:
    """Number of the snapshot that the transaction of this connection will make: there is one writer at a time."""
    return current_snapshot(connection) + 1


def record(
    connection: DuckDBPyConnection,
    kind: Kind,
    table: Table | str,
    published_at: datetime,
    *,
    rows: int,
    replaced: int,
    changed: int | None,
    window: Window | None = None,
    run: str = "",
    code_version: str = "",
) -> Publication:
    """Writes down a publication, as the last thing of the transaction that publishes."""
    made = Publication(
        table=str(table),
        kind=kind,
        window=window,
        rows=rows,
        replaced=replaced,
        changed=changed,
        snapshot=next_snapshot(connection),
        published_at=published_at,
        run=run,
        code_version=code_version,
    )
    given = ", ".join("?" for _ in _FIELDS)
    values = asdict(made) | {
        "table_name": made.table,
        "window_start": window.start if window else None,
        "window_end": window.end if window else None,
    }
    connection.execute(f"INSERT INTO {PUBLICATIONS.sql} ({_columns()}) VALUES ({given})", [values[name] for name in _FIELDS])
    connection.execute("CALL lake.set_commit_message(?, ?)", [run or "fti_assets", f"{kind} {table}"])
    return made


def _columns() -> str:
    return ", ".join(f'"{name}"' for name in _FIELDS)


def publications(connection: DuckDBPyConnection, table: str, limit: int) -> list[Publication]:
    """Publications of a table (`features.x_v1`), newest first."""
    if not stored_columns(connection, PUBLICATIONS):
        return []
    query = f"SELECT {_columns()} FROM {PUBLICATIONS.sql} WHERE {OF_TABLE} ORDER BY published_at DESC LIMIT $limit"
    rows = connection.execute(query, {"table": table, "limit": limit}).fetchall()
    return [_publication(dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _publication(said: dict[str, Any]) -> Publication:
    start, end = said.pop("window_start"), said.pop("window_end")
    return Publication(table=said.pop("table_name"), window=Window(start, end) if start else None, **said)


def last_published(connection: DuckDBPyConnection) -> dict[str, datetime]:
    """When each table was last published, by `schema.name`."""
    if not stored_columns(connection, PUBLICATIONS):
        return {}
    query = f"SELECT table_name, max(published_at) FROM {PUBLICATIONS.sql} WHERE kind <> 'lost' GROUP BY ALL"
    return dict(connection.execute(query).fetchall())


def unpublished_days(connection: DuckDBPyConnection, table: Table, window: Window) -> list[str]:
    """The partitions of `window` that no publication of the table covers; emptiness that was published counts as covered.

    Days of which a damaged file was given up are uncovered again, until they are published anew.
    """
    if table.cadence is None:
        return [] if _is_published(connection, table) else ["as a whole"]
    covered = _covered(_windows(connection, table, window))
    days = {key: table.cadence.window(key) for key in table.cadence.keys(window) if table.cadence.holds(key)}
    return [key for key, day in days.items() if not _holds(covered, day)]


_LAST = f"SELECT max_by(kind, published_at) FROM {PUBLICATIONS.sql} WHERE {OF_TABLE}"


def _is_published(connection: DuckDBPyConnection, table: Table) -> bool:
    """Whether a table that is published as a whole is there as a whole."""
    if not stored_columns(connection, table):
        return False
    row = connection.execute(_LAST, {"table": str(table)}).fetchone() if stored_columns(connection, PUBLICATIONS) else None
    return row != ("lost",)


_WINDOWS = f"""
-- one row for each window of a table that was published or lost and touches the given one, the last to come last
SELECT kind, window_start, window_end FROM {PUBLICATIONS.sql}
WHERE {OF_TABLE} AND kind IN ('publish', 'lost') AND window_end > $start AND window_start < $end
GROUP BY ALL ORDER BY max(published_at)
"""


def _windows(connection: DuckDBPyConnection, table: Table, window: Window) -> list[tuple[Kind, datetime, datetime]]:
    if not stored_columns(connection, PUBLICATIONS):
        return []
    day = timedelta(days=2)  # days that overlap the window's borders stand out beyond them
    named = {"table": str(table), "start": window.start - day, "end": window.end + day}
    found: list[tuple[Kind, datetime, datetime]] = connection.execute(_WINDOWS, named).fetchall()
    return found


def _covered(windows: Iterable[tuple[Kind, datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The spans that are published, of windows in the order in which they were published or lost."""
    spans: list[tuple[datetime, datetime]] = []
    for kind, start, end in windows:
        if kind == "lost":
            spans = [
                part for first, last in spans for part in ((first, min(last, start)), (max(first, end), last)) if part[0] < part[1]
            ]
        else:
            spans.append((start, end))
    return _union(spans)


def _union(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same instants as spans that do not touch each other, in order."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(windows):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _holds(spans: list[tuple[datetime, datetime]], day: Window) -> bool:
    at = bisect_right(spans, day.start, key=lambda span: span[0]) - 1
    return at >= 0 and day.end <= spans[at][1]
