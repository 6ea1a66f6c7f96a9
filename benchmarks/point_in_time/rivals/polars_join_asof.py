"""polars `join_asof` on files that are sorted by time; the order is trusted, not checked."""

import polars as pl
from inputs import arguments, sorted_files

from benchmarks.timed import timed

CASE, RESULT, ENGINE = arguments()


def join() -> None:
    rows = pl.scan_parquet(CASE / "spine.parquet")
    for path in sorted_files(CASE):
        rows = rows.join_asof(pl.scan_parquet(path), on="event_time", by="entity_id", check_sortedness=False)
    if ENGINE == "streaming":
        rows.sink_parquet(RESULT, compression="uncompressed")
    else:
        rows.collect(engine="in-memory").write_parquet(RESULT, compression="uncompressed")


timed(join)
