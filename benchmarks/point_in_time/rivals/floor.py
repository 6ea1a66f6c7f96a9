"""The floor: reading what is needed and writing a result of the same shape, without a join. The quickest library counts."""

from __future__ import annotations

from pathlib import Path

from inputs import arguments, sorted_files

from benchmarks.timed import timed

CASE, RESULT, LIBRARY = arguments()
FILES = [CASE / "spine.parquet", *sorted_files(CASE)]
KEYS = ("entity_id", "event_time")

if LIBRARY in ("pyarrow", "jemalloc"):
    import pyarrow as pa
    from pyarrow import parquet

    if LIBRARY == "jemalloc":  # the default allocator waits for huge pages where memory is fragmented
        pa.set_memory_pool(pa.jemalloc_memory_pool())
elif LIBRARY == "polars":
    import polars as pl
else:
    import duckdb


def with_pyarrow() -> None:
    spine, *groups = [parquet.ParquetFile(path, memory_map=True).read() for path in FILES]
    columns = {name: spine[name] for name in spine.column_names}
    for group in groups:
        columns |= {name: group[name].slice(0, len(spine)) for name in group.column_names if name not in KEYS}
    parquet.write_table(pa.table(columns), RESULT, compression="NONE", use_dictionary=False)


def with_polars() -> None:
    spine, *groups = [pl.scan_parquet(path).collect(engine="streaming") for path in FILES]
    parts = [spine, *(group.drop(KEYS).head(len(spine)) for group in groups)]
    pl.concat(parts, how="horizontal").write_parquet(RESULT, compression="uncompressed")


def with_duckdb() -> None:
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    spine, *groups = [_held(connection, path) for path in FILES]
    parts = ", ".join(f"g{n}.* EXCLUDE (entity_id, event_time)" for n in range(len(groups)))
    joins = " ".join(f"POSITIONAL JOIN (SELECT * FROM groups{n} LIMIT {len(spine)}) AS g{n}" for n in range(len(groups)))
    for n, group in enumerate(groups):
        connection.register(f"groups{n}", group)
    connection.register("spine", spine)
    connection.execute(
        f"COPY (SELECT spine.*, {parts} FROM spine {joins}) TO '{RESULT}' (FORMAT parquet, COMPRESSION uncompressed)"
    )


def _held(connection: duckdb.DuckDBPyConnection, path: Path) -> object:
    return connection.sql(f"FROM '{path}'").to_arrow_table()


timed({"pyarrow": with_pyarrow, "jemalloc": with_pyarrow, "polars": with_polars, "duckdb": with_duckdb}[LIBRARY])
