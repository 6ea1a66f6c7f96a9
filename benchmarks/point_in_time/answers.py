"""The right answers, and how many rows of a result differ from them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl

from benchmarks.point_in_time.data import CORRECTED_DAYS, CORRECTION_DELAY, GROUPS, PUBLICATION_DELAY, Case, day, feature_names
from benchmarks.point_in_time.published import TTL

KINDS = ("plain", "ttl", "known_at_each")


def answer(case: Case, kind: str) -> Path:
    """The result that is right: `plain`, with a `ttl` for each group, or as known at the time that each row states.

    The first two are polars' (`tolerance` is a ttl), so that everybody's result is compared with its.
    """
    path = case.folder / "answers" / f"{kind}.parquet"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        if kind == "known_at_each":
            _write_known_at_each(case, path)
        else:
            _write_joined(case, path, has_ttl=kind == "ttl")
    return path


def _write_joined(case: Case, path: Path, *, has_ttl: bool) -> None:
    rows = pl.scan_parquet(case.spine)
    for group in GROUPS:
        tolerance = TTL[group] if has_ttl else None
        rows = rows.join_asof(
            pl.scan_parquet(case.sorted(group)), on="event_time", by="entity_id", tolerance=tolerance, check_sortedness=False
        )
    rows.sink_parquet(path)


def _write_known_at_each(case: Case, path: Path) -> None:
    """A day is visible to rows that may know it; its values are the first published ones until the correction."""
    connection = _connection()
    connection.execute(f"CREATE TEMP TABLE rows AS FROM '{case.spine_known_at}'")
    for group in GROUPS:  # step by step, since DuckDB plans all joins at once badly
        connection.execute(f"CREATE OR REPLACE TEMP TABLE seen AS {_newest_seen(case, group)}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE rows AS {_as_known(case, group)}")
    connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")


def _newest_seen(case: Case, group: str) -> str:
    delay = PUBLICATION_DELAY.total_seconds()
    published = f"date_trunc('day', s.known_at - to_seconds({delay}))"  # days before this one are published
    seen = f"least(s.event_time, {published} - to_microseconds(1))"
    return f"""
        SELECT s.*, g.event_time AS group_time, g.* EXCLUDE (entity_id, event_time) FROM rows AS s
        ASOF LEFT JOIN '{case.sorted(group)}' AS g ON s.entity_id = g.entity_id AND {seen} >= g.event_time
    """


def _as_known(case: Case, group: str) -> str:
    names = feature_names(group)
    days = ", ".join(f"'{case.first_published(group) / f'{day(n).isoformat()}.parquet'}'" for n in CORRECTED_DAYS)
    corrected = f"date_trunc('day', g.group_time) + to_days({1 + CORRECTION_DELAY.days})"
    fresh = f"g.group_time >= g.event_time - to_seconds({TTL[group].total_seconds()})"
    is_first = f"f.entity_id IS NOT NULL AND g.known_at < {corrected}"  # no condition of the join: it would be one without keys
    values = ", ".join(
        f"CASE WHEN {fresh} THEN CASE WHEN {is_first} THEN f.{name} ELSE g.{name} END END AS {name}" for name in names
    )
    return f"""
        SELECT g.* EXCLUDE (group_time, {", ".join(names)}), {values} FROM seen AS g
        LEFT JOIN read_parquet([{days}]) AS f ON f.entity_id = g.entity_id AND f.event_time = g.group_time
    """


def wrong_rows(result: Path, right: Path) -> tuple[int, int]:
    """Rows of a result, and how many rows are wrong, missing or too many, whatever their order.

    Rows are compared by hashes of their values; NaN counts as null, and naive times as UTC.
    """
    connection = _connection()
    columns = connection.sql(f"FROM '{right}' LIMIT 0").columns
    for name, path in (("expected", right), ("found", result)):
        connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {_hash(connection, path, columns)} AS row FROM '{path}'")
    sql = "SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM (FROM {0} EXCEPT ALL FROM {1}))"
    rows, missing = connection.execute(sql.format("expected", "found")).fetchone() or (0, 0)
    _, unexpected = connection.execute(sql.format("found", "expected")).fetchone() or (0, 0)
    return rows, max(missing, unexpected)


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _hash(connection: duckdb.DuckDBPyConnection, path: Path, columns: list[str]) -> str:
    types = {name: str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()}
    missing = [name for name in columns if name not in types]
    if missing:
        raise ValueError(f"'{path}' has no column {', '.join(missing)}. It has: {', '.join(types)}.")
    return f"hash({', '.join(_plain(name, types[name]) for name in columns)})"


def _plain(name: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP"):
        return f"epoch_us({name}::TIMESTAMP)"
    if kind in ("DOUBLE", "FLOAT"):
        return f"CASE WHEN NOT isnan({name}) THEN {name}::DOUBLE END"
    return name
