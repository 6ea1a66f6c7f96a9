"""The process that writes to the lake: a real one, that is killed, locked out, broken and orphaned."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.streaming.errors import LandingError
from fti_assets.streaming.landing import Lander
from fti_assets.streaming.landing_process import LandingProcess, Upserted
from fti_assets.streaming.running import prepare
from fti_assets_tests.feature_store.examples import read_all
from fti_assets_tests.streaming.examples import GROUPS, RIDES, T0, VIEW, processor_of, ride, wait_until

(STREAMED, _) = GROUPS
PATIENT = 60.0
"""Seconds for which the process waits for the lake."""


@pytest.fixture
def processor(online, tmp_path):
    return processor_of(online, tmp_path)


@contextmanager
def process_of(online, folder, **options):
    """The process of a lake in a folder."""
    made = LandingProcess(online, partial(FeatureStore, folder, **options))
    try:
        yield made
    finally:
        made.end()


def ingest(processor, *lines):
    return processor.ingest([processor.read("rides_v1", lines)])[0]


def landed(folder):
    return {row[1]: row[3] for row in read_all(FeatureStore(folder), RIDES.table)}


def is_running(pid):
    """Whether a process computes or waits; one that is dead and not yet taken note of does neither."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_one_process_lands_again_and_again_and_none_is_started_for_nothing(online, processor, tmp_path):
    with process_of(online, tmp_path) as process:
        lander = Lander(online, process.upsert, STREAMED)
        assert (lander.land(), process.pid) == (None, None)
        ingest(processor, ride(T0, 0), ride(T0, 1))
        assert lander.land().changed == 2
        first = process.pid
        assert first != os.getpid()
        ingest(processor, ride(T0, 2), ride(T0, 1, delay=6.0))
        assert (lander.land().changed, process.pid, lander.waiting()) == (2, first, 0)
    assert landed(tmp_path) == {0: 5.0, 1: 6.0, 2: 5.0}
    assert not is_running(first)


def test_a_process_that_was_killed_is_started_again(online, processor, tmp_path):
    with process_of(online, tmp_path) as process:
        lander = Lander(online, process.upsert, STREAMED)
        ingest(processor, ride(T0, 0))
        lander.land()
        os.kill(process.pid, signal.SIGKILL)
        ingest(processor, ride(T0, 1))
        with pytest.raises(LandingError, match=r"writes to the lake was killed by SIGKILL\. It is started again"):
            lander.land()
        assert lander.waiting() == 1
        assert lander.land() is not None
    assert landed(tmp_path) == {0: 5.0, 1: 5.0}


def test_killed_in_the_middle_of_a_landing_nothing_is_lost_and_nothing_there_twice(online, processor, tmp_path):
    ingest(processor, ride(T0, 0), ride(T0, 1))
    with process_of(online, tmp_path, lock_timeout=PATIENT) as process, ThreadPoolExecutor() as pool:
        lander = Lander(online, process.upsert, STREAMED)
        with waits_for_the_lake(tmp_path, process, pool.submit(lander.land)) as landing:
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(LandingError, match="SIGKILL"):
                landing.result(PATIENT)
        assert lander.waiting() == 2
        assert (lander.land().changed, lander.waiting()) == (2, 0)
        ingest(processor, ride(T0, 2))
        assert lander.land().changed == 1
    assert landed(tmp_path) == {0: 5.0, 1: 5.0, 2: 5.0}


@contextmanager
def waits_for_the_lake(folder, process, landing):
    """Yields a landing while its process waits, since the lake is locked."""
    with FeatureStore(folder).lake.locked("another writer"):
        wait_until(lambda: process.pid is not None and _is_at_the_lake(process.pid))
        assert not landing.done()
        yield landing


def _is_at_the_lake(pid):
    """Whether a process has loaded what the lake needs; the lake's lock is what it asks for next."""
    return "ducklake" in Path(f"/proc/{pid}/maps").read_text()


def test_a_lake_that_refuses_is_told_and_the_process_lives_on(online, processor, tmp_path):
    ingest(processor, ride())
    with process_of(online, tmp_path, lock_timeout=0.1) as process:
        lander = Lander(online, process.upsert, STREAMED)
        with FeatureStore(tmp_path).lake.locked("another writer"), pytest.raises(LandingError, match="another writer"):
            lander.land()
        refused = process.pid
        assert (lander.land().changed, process.pid) == (1, refused)


def test_an_address_that_is_none_is_told(online, processor, tmp_path):
    ingest(processor, ride())
    with (
        process_of(online, tmp_path, data="ftp://elsewhere") as process,
        pytest.raises(LandingError, match="does not begin with 's3://'"),
    ):
        process.upsert(STREAMED, 10)


def broken_lake():
    raise ZeroDivisionError("of our own")


def test_an_error_of_ours_ends_the_process_and_is_told(online, processor, capfd):
    ingest(processor, ride())
    process = LandingProcess(online, broken_lake)
    with pytest.raises(LandingError, match=r"ended with exit code 1\. It is started again; see the log"):
        process.upsert(STREAMED, 10)
    assert process.pid is None
    assert "ZeroDivisionError: of our own" in capfd.readouterr().err


PARENT = """
import sys
from functools import partial
from threading import Thread
from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore
from fti_assets.streaming.landing_process import LandingProcess
from fti_assets_tests.streaming.examples import GROUPS
process = LandingProcess(OnlineStore(sys.argv[1] + "/online"), partial(FeatureStore, sys.argv[1]))
Thread(target=process.upsert, args=(GROUPS[0], 10)).start()
while process.pid is None: pass
print(process.pid, flush=True)
"""


def test_it_dies_with_the_stream_in_the_middle_of_a_landing(processor, tmp_path):
    ingest(processor, ride())
    with FeatureStore(tmp_path).lake.locked("another writer"):
        with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
            child = int(parent.stdout.readline())
            wait_until(lambda: _is_at_the_lake(child))
            parent.kill()
        wait_until(lambda: not is_running(child))


def test_a_supervisor_that_ends_all_of_a_stream_does_not_disturb_the_last_landing(online, processor, tmp_path):
    with process_of(online, tmp_path) as process:
        ingest(processor, ride())
        lander = Lander(online, process.upsert, STREAMED)
        lander.land()
        os.kill(process.pid, signal.SIGTERM)
        ingest(processor, ride(T0, 1))
        assert lander.land().changed == 1


def test_a_stream_that_starts_again_needs_no_lake(online, tmp_path):
    opened = []

    def open_lake():
        opened.append(FeatureStore(tmp_path))
        return opened[-1]

    prepare(online, open_lake, [VIEW])
    prepare(online, open_lake, [VIEW])
    assert len(opened) == 1


def test_a_stream_is_ready_without_what_the_lake_needs():
    needed = ("duckdb", "pyarrow", "pandas", "polars", "numpy", "fti_assets.feature_store")
    code = f"import sys, fti_assets.streaming.running; print(*(name for name in {needed} if name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_upserted_says_where_the_queue_is_to_be_cut(online, processor, tmp_path):
    ingest(processor, *(ride(T0, n) for n in range(3)))
    with process_of(online, tmp_path) as process:
        assert process.upsert(STREAMED, 2) == Upserted(events=2, changed=2, end=2)
        assert process.upsert(STREAMED, 2) == Upserted(events=2, changed=0, end=2)
