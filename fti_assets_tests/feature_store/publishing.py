"""Run as a process of its own by the tests of locking and killing: `python -m ... publish|hold|days ROOT`.

The lake is the one in ROOT, unless FTI_LAKE_CATALOG and FTI_LAKE_DATA say where it is.
"""

import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa

from fti_assets import stores
from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import ARROW, DAYS, T0, YEAR, make_group, rows_of
from fti_assets_tests.one_thread import with_one_thread

GROUP = make_group()
ROWS = 20_000


def rows(value):
    """Many rows that all have one value, so that a mixture of two publications shows."""
    columns = [[f"s{n}" for n in range(ROWS)], [T0] * ROWS, [float(value)] * ROWS]
    kinds = [ARROW["string"], ARROW["timestamp"], ARROW["float"]]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=["station", "at", "temp"])


def rows_of_day(key):
    """Three rows of one day, whose value is the number of the day."""
    start = DAYS.window(key).start
    return rows_of(GROUP, *((f"s{n}", start, float(start.timetuple().tm_yday)) for n in range(3)))


def publish(store):
    """Publishes one whole state after another until the process is killed."""
    value = 1
    with store.connect() as connection:
        while True:
            value += 1
            store.draft(connection, GROUP.table, rows(value), YEAR)
            store.publish_draft(connection, GROUP, YEAR)
            print(value, flush=True)  # noqa: T201


def hold(store):
    """Holds the writer lock, in the middle of a transaction, until the process is killed."""
    with store.connect() as connection, store.lake.writing(connection, "holding on"):
        connection.execute(f"DELETE FROM {GROUP.table.sql}")
        print("held", flush=True)  # noqa: T201
        time.sleep(120)


def days(store, *keys):
    """Publishes days, each by itself, and ends."""
    print("begun", flush=True)  # noqa: T201
    for key in keys:
        store.publish(GROUP, rows_of_day(key), DAYS.window(key))


if __name__ == "__main__":
    duckdb.connect = with_one_thread(duckdb.connect)
    what, root, *more = sys.argv[1:]
    store = FeatureStore(Path(root), catalog=stores.lake_catalog(), data=stores.lake_data())
    {"publish": publish, "hold": hold, "days": days}[what](store, *more)
