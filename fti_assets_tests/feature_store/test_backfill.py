"""The same days give the same table, in whatever order they are published, how often, and wherever it is interrupted."""

import random
import signal
import subprocess
import sys
import time

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import DAY, DAYS, HOUR, day, make_group, rows_of
from fti_assets_tests.feature_store.publishing import GROUP, rows_of_day

WEATHER = make_group(features=("temp", "wind"))
KEYS = DAYS.keys(DAYS.window("2024-01-01", "2024-01-08"))


def rows(key):
    start = day(key).start
    values = [(f"s{n % 3}", start + n * HOUR, float(n), None if n % 5 else -0.0) for n in range(24)]
    return rows_of(WEATHER, *values)


def backfill(store, keys):
    for key in keys:
        store.publish(WEATHER, rows(key), day(key))


@pytest.fixture(scope="module")
def in_order(tmp_path_factory):
    """The content hash of the days, published one by one in their order."""
    store = FeatureStore(tmp_path_factory.mktemp("in_order"))
    backfill(store, KEYS)
    return store.content_hash(WEATHER.table)


@pytest.mark.parametrize("seed", range(2))
def test_days_in_random_order_and_repeated(store, in_order, seed):
    chance = random.Random(seed)
    keys = [*KEYS, *chance.choices(KEYS, k=4)]
    chance.shuffle(keys)
    backfill(store, keys)
    assert store.content_hash(WEATHER.table) == in_order


def test_days_that_were_wrong_first(store, in_order):
    wrong = rows_of(WEATHER, *((f"s{n}", day(KEYS[0]).start + n * DAY, -1.0, 1.0) for n in range(len(KEYS))))
    store.publish(WEATHER, wrong, DAYS.window(KEYS[0], KEYS[-1]))
    store.upsert(WEATHER, rows("2024-01-03"))
    backfill(store, reversed(KEYS))
    assert store.content_hash(WEATHER.table) == in_order
    assert store.content_hash(WEATHER.table, day("2024-01-03")) == store.content_hash(WEATHER.table, day("2024-01-03"), as_of=None)
    assert store.content_hash(WEATHER.table, day("2024-01-03")) != store.content_hash(WEATHER.table, day("2024-01-04"))


def test_the_hash_sees_a_changed_value(store, in_order):
    backfill(store, KEYS)
    published = store.upsert(WEATHER, rows("2024-01-02").slice(0, 1).set_column(3, "wind", rows("2024-01-02")["wind"].slice(1, 1)))
    assert published.changed == 1
    assert store.content_hash(WEATHER.table) != in_order
    assert store.content_hash(WEATHER.table, as_of=published.snapshot - 1) == in_order


@pytest.mark.parametrize("seed", range(3))
def test_a_backfill_that_was_killed_is_finished_by_a_rerun(tmp_path, seed):
    whole, broken = FeatureStore(tmp_path / "whole"), FeatureStore(tmp_path / "broken", lock_timeout=5)
    for key in KEYS:
        whole.publish(GROUP, rows_of_day(key), day(key))
    command = [sys.executable, "-m", "fti_assets_tests.feature_store.publishing", "days", str(tmp_path / "broken"), *KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.05, 1))
        started.send_signal(signal.SIGKILL)
    with broken.connect() as connection:
        missing = broken.unpublished_days(connection, GROUP.table, DAYS.window(KEYS[0], KEYS[-1]))
        there = broken.read(connection, GROUP.table).fetchall()
    assert len(there) == 3 * (len(KEYS) - len(missing))  # every day that counts as published is there as a whole
    for key in missing:
        broken.publish(GROUP, rows_of_day(key), day(key))
    assert broken.content_hash(GROUP.table) == whole.content_hash(GROUP.table)
