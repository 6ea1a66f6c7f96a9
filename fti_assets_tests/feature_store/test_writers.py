"""One writer at a time, and writers that die."""

import random
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from fti_assets.feature_store import FeatureStore, LockedError
from fti_assets_tests.feature_store.examples import YEAR
from fti_assets_tests.feature_store.publishing import GROUP, ROWS, rows


@contextmanager
def process(what, root):
    """A process that has said its first word; it is killed at the end."""
    command = [sys.executable, "-m", "fti_assets_tests.feature_store.publishing", what, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout.readline(), "the process ended before it began"
            yield started
        finally:
            started.kill()


def state(store):
    with store.connect() as connection:
        return connection.execute(f"SELECT count(*), min(temp), max(temp) FROM {GROUP.table.sql}").fetchone()


def test_a_held_lock_stops_writers_by_name_and_readers_not_at_all(tmp_path):
    store = FeatureStore(tmp_path, lock_timeout=0.2)
    store.publish(GROUP, rows(1), YEAR)
    with process("hold", tmp_path) as holder:
        assert state(store) == (ROWS, 1.0, 1.0)
        named = rf"locked for more than 0\.2 s by process {holder.pid} on .+ \(holding on, since .+\)\. Wait for it"
        with pytest.raises(LockedError, match=named):
            store.publish(GROUP, rows(2), YEAR)
    assert state(store) == (ROWS, 1.0, 1.0)
    store.publish(GROUP, rows(3), YEAR)  # the dead holder's lock is free at once
    assert state(store) == (ROWS, 3.0, 3.0)


def test_a_holder_that_left_no_note(tmp_path):
    store = FeatureStore(tmp_path, lock_timeout=0.2)
    store.publish(GROUP, rows(1), YEAR)
    with process("hold", tmp_path):
        (store.lake.root / ".writer.json").write_text("{")
        with pytest.raises(LockedError, match="by a process that left no note"):
            store.publish(GROUP, rows(2), YEAR)


def test_an_error_in_a_transaction_rolls_it_back_and_frees_the_lock(tmp_path):
    store = FeatureStore(tmp_path, lock_timeout=0.2)
    store.publish(GROUP, rows(1), YEAR)
    with store.connect() as connection:
        with pytest.raises(KeyboardInterrupt), store.lake.writing(connection, "failing"):  # noqa: PT012
            connection.execute(f"DELETE FROM {GROUP.table.sql}")
            raise KeyboardInterrupt
        assert connection.execute(f"SELECT count(*) FROM {GROUP.table.sql}").fetchone() == (ROWS,)
    assert store.publish(GROUP, rows(2), YEAR).replaced == ROWS


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_leaves_the_old_or_the_new_state_and_no_lock(tmp_path, seed):
    store = FeatureStore(tmp_path, lock_timeout=1)
    with process("publish", tmp_path) as writer:
        time.sleep(random.Random(seed).uniform(0, 0.4))
        writer.kill()
        said = [2, *(int(line) for line in writer.stdout.read().split("\n")[:-1])]
    count, lowest, highest = state(store)
    assert (count, lowest) == (ROWS, highest)
    assert highest in (said[-1], said[-1] + 1)  # killed before it could say so, or before it was done
    assert store.publish(GROUP, rows(0), YEAR).replaced == ROWS
    assert state(store) == (ROWS, 0.0, 0.0)


def test_an_unfinished_read_stops_no_writer(tmp_path):
    store = FeatureStore(tmp_path)
    store.publish(GROUP, rows(1), YEAR)
    with store.connect() as connection:
        connection.execute(f"SELECT temp FROM {GROUP.table.sql}").fetchone()
        assert store.publish(GROUP, rows(2), YEAR).replaced == ROWS
