"""DuckDB's `ASOF LEFT JOIN` of plain Parquet files, and `COPY`."""

import duckdb
from inputs import GROUPS, arguments, sorted_files

from benchmarks.timed import timed

CASE, RESULT, _ = arguments()


def join() -> None:
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    chosen = ", ".join(f"{group}.* EXCLUDE (entity_id, event_time)" for group in GROUPS)
    joins = " ".join(
        f"ASOF LEFT JOIN '{path}' AS {group} ON s.entity_id = {group}.entity_id AND s.event_time >= {group}.event_time"
        for group, path in zip(GROUPS, sorted_files(CASE), strict=True)
    )
    query = f"SELECT s.*, {chosen} FROM '{CASE / 'spine.parquet'}' AS s {joins}"
    connection.execute(f"COPY ({query}) TO '{RESULT}' (FORMAT parquet, COMPRESSION uncompressed)")


timed(join)
