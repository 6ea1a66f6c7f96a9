"""What the log writer of a server leaves behind, landed: closed in good order, still being written, or killed while writing."""

import subprocess
import sys
import time

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring import land
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.settings import LogLimits
from fti_assets_tests.monitoring.logged import LOG, as_line, said

SOON = 20.0
"""Seconds that a thread or a process gets on a busy machine."""


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "inference_log" / "delay"


@pytest.fixture
def writer(folder):
    made = LogWriter(folder, "a", LogLimits())
    made.start()
    yield made
    made.stop()


def until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(store):
    return store.table("inference_log", "delay").rows if store.tables("inference_log") else 0


def test_what_a_living_server_writes_waits_until_it_has_closed_the_segment(store, folder, writer):
    for number in range(10):
        writer.put(as_line(said(number)))
    until(lambda: writer.written == 10)

    assert land(store, LOG, folder).rows == 0
    writer.stop()
    done = land(store, LOG, folder)

    assert (done.rows, done.abandoned, done.torn, rows(store)) == (10, 0, 0, 10)


WRITING = """
import sys
from pathlib import Path
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.settings import LogLimits
from fti_assets_tests.monitoring.logged import as_line, said
writer = LogWriter(Path(sys.argv[1]), sys.argv[2], LogLimits(segment_bytes=50_000))
writer.start()
number = 0
while True:
    number += 1
    writer.put(as_line(said(number, request_id=f"{sys.argv[2]}-{number}")))
    if number % 100 == 0:
        print(writer.written, flush=True)
"""


def test_servers_that_are_killed_under_load_lose_nothing_that_was_written(store, folder):
    servers = {
        name: subprocess.Popen([sys.executable, "-c", WRITING, str(folder), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    }
    landed = []
    try:
        written = {}
        for name, server in servers.items():
            while written.get(name, 0) < 300:
                written[name] = int(server.stdout.readline())
        landed.append(land(store, LOG, folder))  # beside the living
    finally:
        for server in servers.values():
            server.kill()
            server.wait()
            server.stdout.close()
    landed.append(land(store, LOG, folder))

    with store.connect() as connection:
        counts = dict(
            connection.execute(
                "SELECT split_part(request_id, '-', 1) AS server, count(*) FROM lake.inference_log.delay GROUP BY ALL"
            ).fetchall()
        )
    assert {name for name, count in counts.items() if count < written[name]} == set()
    assert sum(one.rows for one in landed) == sum(counts.values())
    assert sum(one.malformed + one.repeated for one in landed) == 0
    assert sum(one.abandoned for one in landed) <= 2
    assert [path.name for path in folder.glob("[!.]*")] == []
