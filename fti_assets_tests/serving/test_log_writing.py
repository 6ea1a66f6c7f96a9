"""The writer of the inference log: nothing waits for it, it is bounded, and what it has closed is whole."""

import fcntl
import os
import subprocess
import sys
import time

import pytest

from fti_assets.monitoring.inference_log import close_abandoned, segments
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.settings import LogLimits

LINE = b'{"request_id": "1"}\n'


def until(holds):
    for _ in range(400):
        if holds():
            return
        time.sleep(0.02)
    raise TimeoutError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def lines(folder):
    return [line for path in sorted(folder.iterdir()) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture
def make_writer(tmp_path):
    made = []

    def make(**limits):
        writer = LogWriter(tmp_path / "log", "server", LogLimits(**limits))
        made.append(writer)
        writer.start()
        return writer

    yield make
    for writer in made:
        writer.stop()


def test_lines_are_on_disk_within_half_a_second_in_a_segment_that_is_held(make_writer):
    writer = make_writer()
    writer.put(LINE)
    until(lambda: writer.written == 1)
    assert names(writer.folder) == ["server-000001.ndjson.part"]
    assert lines(writer.folder) == [LINE]
    close_abandoned(writer.folder)
    assert names(writer.folder) == ["server-000001.ndjson.part"]  # its server lives
    writer.stop()
    assert names(writer.folder) == ["server-000001.ndjson"]
    assert [path.name for path in segments(writer.folder)] == ["server-000001.ndjson"]


def test_a_segment_is_closed_by_size_and_the_next_one_begun(make_writer):
    writer = make_writer(segment_bytes=3 * len(LINE))
    for _ in range(3):
        written = writer.written
        for _ in range(4):
            writer.put(LINE)
        until(lambda before=written: writer.written == before + 4)
    until(lambda: len(segments(writer.folder)) == 3)
    assert lines(writer.folder) == [LINE] * 12


def test_a_segment_is_closed_by_age(make_writer):
    writer = make_writer(segment_seconds=0.1)
    writer.put(LINE)
    until(lambda: names(writer.folder) == ["server-000001.ndjson"])


def test_what_does_not_fit_into_memory_is_dropped_and_counted(tmp_path):
    writer = LogWriter(tmp_path, "server", LogLimits(memory_bytes=3 * len(LINE)))  # nobody writes yet
    for _ in range(5):
        writer.put(LINE)
    assert (writer.dropped, writer.queued_bytes) == (2, 3 * len(LINE))
    writer.start()
    writer.stop()
    assert writer.written == 3
    assert lines(tmp_path) == [LINE] * 3


def test_what_does_not_fit_onto_the_disk_is_dropped_until_something_was_landed(make_writer):
    writer = make_writer(disk_bytes=2 * len(LINE), segment_bytes=1)
    for _ in range(4):
        writer.put(LINE)
        until(lambda: not writer.queued_bytes)
        time.sleep(0.3)
    assert (writer.written, writer.dropped) == (2, 2)
    assert "are allowed" in writer.problem
    for path in segments(writer.folder):
        path.unlink()
    until(lambda: writer.waiting_bytes == 0)
    writer.put(LINE)
    until(lambda: writer.written == 3)
    assert writer.problem == ""


def test_a_disk_that_takes_half_a_line_leaves_none_of_it(make_writer, monkeypatch):
    writer = make_writer()
    writer.put(LINE)
    until(lambda: writer.written == 1)
    real, calls = os.write, []

    def full(file, content):
        calls.append(1)
        if len(calls) == 1:
            return real(file, content[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fti_assets.serving.log_writing.os.write", full)
    writer.put(LINE)
    until(lambda: writer.dropped == 1)
    assert lines(writer.folder) == [LINE]
    assert "No space left" in writer.problem
    monkeypatch.setattr("fti_assets.serving.log_writing.os.write", real)
    writer.put(LINE)
    until(lambda: writer.written == 2)
    assert lines(writer.folder) == [LINE, LINE]


def test_a_folder_that_cannot_be_written_is_told_and_counted(make_writer):
    writer = make_writer()
    writer.folder.rmdir()
    writer.put(LINE)
    until(lambda: writer.dropped == 1)
    assert "No such file" in writer.problem


WRITES = """
import sys, time
from pathlib import Path
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.settings import LogLimits
writer = LogWriter(Path(sys.argv[1]), "killed", LogLimits(segment_bytes=20_000))
writer.start()
number = 0
while True:
    number += 1
    writer.put(b'{"number": %d}\\n' % number)
    if number % 50 == 0:
        print(number, flush=True)
        time.sleep(0.01)
"""


def test_what_a_killed_server_leaves_is_whole_and_can_be_closed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE) as process:
        until(lambda: len(segments(tmp_path)) >= 2)
        process.kill()
    close_abandoned(tmp_path)
    assert all(name.endswith(".ndjson") for name in names(tmp_path))
    found = lines(tmp_path)
    assert found == [b'{"number": %d}\n' % number for number in range(1, len(found) + 1)]


def test_two_servers_write_into_one_folder(tmp_path):
    writers = [LogWriter(tmp_path, name, LogLimits()) for name in ("a", "b")]
    for writer in writers:
        writer.start()
        writer.put(LINE)
    for writer in writers:
        writer.stop()
    assert names(tmp_path) == ["a-000001.ndjson", "b-000001.ndjson"]


def test_the_lock_of_an_open_segment_is_free_once_its_process_is_gone(make_writer):
    writer = make_writer()
    writer.put(LINE)
    until(lambda: writer.written == 1)
    with (writer.folder / "server-000001.ndjson.part").open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
