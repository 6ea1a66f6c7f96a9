"""Run as a process of its own by the tests of locking and killing: `python -m ... publish|hold ROOT`."""

import sys
import time
from pathlib import Path

import pyarrow as pa

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import ARROW, T0, YEAR, make_group

GROUP = make_group()
ROWS = 20_000


def rows(value):
    """Many rows that all have one value, so that a mixture of two publications shows."""
    columns = [[f"s{n}" for n in range(ROWS)], [T0] * ROWS, [float(value)] * ROWS]
    kinds = [ARROW["string"], ARROW["timestamp"], ARROW["float"]]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=["station", "at", "temp"])


def publish(root):
    """Publishes one whole state after another until the process is killed."""
    store, value = FeatureStore(root), 1
    with store.connect() as connection:
        while True:
            value += 1
            store.draft(connection, GROUP.table, rows(value), YEAR)
            store.publish_draft(connection, GROUP, YEAR)
            print(value, flush=True)  # noqa: T201


def hold(root):
    """Holds the writer lock, in the middle of a transaction, until the process is killed."""
    store = FeatureStore(root)
    with store.connect() as connection, store.lake.writing(connection, "holding on"):
        connection.execute(f"DELETE FROM {GROUP.table.sql}")
        print("held", flush=True)  # noqa: T201
        time.sleep(120)


if __name__ == "__main__":
    {"publish": publish, "hold": hold}[sys.argv[1]](Path(sys.argv[2]))
