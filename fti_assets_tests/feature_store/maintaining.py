"""Run as a process of its own by the test of killing: publishes and maintains a lake until it is killed."""

import sys

import duckdb

from fti_assets.feature_store import FeatureStore, RetentionPolicy, carry_out, plan_maintenance
from fti_assets_tests.feature_store.examples import HOUR, day, make_group, rows_of
from fti_assets_tests.one_thread import with_one_thread

GROUP = make_group()
KEYS = [f"2024-01-{n:02}" for n in range(1, 7)]
EVERYTHING = RetentionPolicy(keep_days=0, grace_hours=0, merge_from=2)


def publish(store, key, value, rows=50):
    """Rows of a day that all have one value, so that a mixture of two publications shows."""
    start = day(key).start + HOUR
    return store.publish(GROUP, rows_of(GROUP, *((f"s{n}", start, float(value)) for n in range(rows))), day(key)).snapshot


def maintain(store, policy=EVERYTHING):
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, store.holds(), policy)
        return carry_out(store.lake, connection, plan, store.holds)


def main(root):
    store, value = FeatureStore(root), 0
    while True:
        value += 1
        for key in KEYS[:3]:
            publish(store, key, value)
        print(value, flush=True)  # noqa: T201
        maintain(store)


if __name__ == "__main__":
    duckdb.connect = with_one_thread(duckdb.connect)
    main(sys.argv[1])
