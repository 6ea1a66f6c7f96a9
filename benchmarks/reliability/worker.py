"""What the processes of the reliability figures do, each a program of its own: `python -m benchmarks.reliability.worker`."""

import json
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from fti_assets.feature_store import FeatureStore, RetentionPolicy, carry_out, plan_maintenance
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup

DAYS = Daily(start="2020-01-01", end="2030-01-01")
ROWS = 300
READINGS = FeatureGroup(
    name="readings",
    version=1,
    description="Every row of a publication has the same `state`, so that a mixture of two shows.",
    entity=Entity("sensor", (Column("sensor", "int"),)),
    event_time="at",
    cadence=DAYS,
    features=(Feature("state", "int"), Feature("value", "float"), Feature("word", "string")),
    contract=Contract(owner="team:reliability"),
)


def day_key(number: int) -> str:
    return (datetime(2020, 1, 1) + timedelta(days=number)).date().isoformat()  # noqa: DTZ001


def rows(number: int, state: int) -> pa.Table:
    """The rows of one day; the same arguments give the same rows."""
    start = DAYS.window(day_key(number)).start
    values = np.random.default_rng([number, state])
    return pa.table(
        {
            "sensor": pa.array(range(ROWS), pa.int64()),
            "at": pa.array([start + timedelta(minutes=n) for n in range(ROWS)], pa.timestamp("us", tz="UTC")),
            "state": pa.array([state] * ROWS, pa.int64()),
            "value": values.standard_normal(ROWS),
            "word": [f"w{n % 7}" for n in range(ROWS)],
        }
    )


def publish_days(root: Path, first: int, count: int) -> None:
    """Publishes some days, one after another, and says of each how long it took."""
    store = FeatureStore(root)
    for number in range(first, first + count):
        began = time.monotonic()
        store.publish(READINGS, rows(number, 1), DAYS.window(day_key(number)), run=f"writer-{first}")
        say(number=number, seconds=time.monotonic() - began)


def count_days(root: Path, seconds: int) -> None:
    """Counts the rows of each day over and over; a day with another number of rows than all or none is a torn read."""
    store, counts, torn, slowest = FeatureStore(root), 0, 0, 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until and not (root / "writers_done").exists():
        began = time.monotonic()
        with store.connect() as connection:
            if store.exists(connection, READINGS.table):
                found = connection.execute(
                    f"SELECT date_trunc('day', \"at\"), count(*) FROM {READINGS.table.sql} GROUP BY 1"
                ).fetchall()
                torn += sum(number != ROWS for _, number in found)
                counts += 1
        slowest = max(slowest, time.monotonic() - began)
    say(counts=counts, torn=torn, slowest=slowest)


def churn(root: Path, kind: str) -> None:
    """Does one kind of work over and over, saying what comes next, until it is killed."""
    store, state, values = FeatureStore(root), 1, random.Random()
    while True:
        number, state = values.randrange(20), state + 1
        if kind == "publish":
            say(doing="publish", day=number, state=state)
            store.publish(READINGS, rows(number, state), DAYS.window(day_key(number)))
            continue
        say(doing=kind)
        maintain(store, RetentionPolicy(keep_days=0, grace_hours=0) if kind == "expire" else RetentionPolicy(merge_from=2))
        for again in range(5):
            store.publish(READINGS, rows(again, 1), DAYS.window(day_key(again)))
            store.publish(READINGS, rows(again, 0), DAYS.window(day_key(again)))


def maintain(store: FeatureStore, policy: RetentionPolicy) -> None:
    with store.connect() as connection:
        carry_out(store.lake, connection, plan_maintenance(store.lake, connection, store.holds(), policy), store.holds)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    task, root, *arguments = sys.argv[1:]
    {"publish": publish_days, "count": count_days}[task](Path(root), *map(int, arguments)) if task != "churn" else churn(
        Path(root), arguments[0]
    )
