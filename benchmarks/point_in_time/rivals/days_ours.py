"""Publishes days into a store of ours, or reads them all. The arguments: folder of the store, days, and one of `WAYS` or "read"."""

import sys
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from duckdb import DuckDBPyConnection

from benchmarks.point_in_time.days import FIRST_DAY, GROUP, MAINTAINED_EVERY, rows, windows
from benchmarks.point_in_time.published import maintain
from benchmarks.timed import timed
from fti_assets.feature_store import FeatureStore
from fti_assets.vocabulary import Window

STORE, DAYS, WAY = FeatureStore(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3]


def fill() -> dict[str, object]:
    each, maintenance = [], []
    for number, (window, table) in enumerate(published(), start=1):
        each.append(_seconds(lambda table=table, window=window: STORE.publish(GROUP, table, window)))
        if WAY == "maintained" and number % MAINTAINED_EVERY == 0:
            maintenance.append(_seconds(lambda: maintain(STORE)))
    return {"each": each, "maintenance": maintenance, "files": STORE.table("features", GROUP.versioned_name).files}


def published() -> list[tuple[Window, pa.Table]]:
    found = zip(windows(DAYS), rows(DAYS), strict=True)
    if WAY != "whole":
        return found
    whole = GROUP.table.cadence.window(FIRST_DAY.isoformat(), (FIRST_DAY + timedelta(days=DAYS - 1)).isoformat())
    return [(whole, pa.concat_tables(rows(DAYS)))]


def read(connection: DuckDBPyConnection) -> dict[str, object]:
    return {"rows": len(STORE.read(connection, GROUP.table).to_arrow_table())}


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if WAY == "read":
    with STORE.reading() as opened:  # what opening a lake costs would hide what its files cost
        timed(lambda: read(opened))
else:
    timed(fill, again=False)
