"""The writer lock: the same promises by a file and by PostgreSQL."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fti_assets.feature_store import LockedError
from fti_assets.feature_store.errors import UnreachableError
from fti_assets.feature_store.lake.advisory_lock import describe_holder, lock_key, session_name
from fti_assets_tests.feature_store.servers import Backend

HOLD = """
import sys, time
from fti_assets import stores
lake = stores.feature_store().lake
with lake.locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(120)
"""


@contextmanager
def holder(backend, purpose):
    """A process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD, purpose]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=backend.environment) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def take(backend, *, timeout=0.1):
    with backend.store(lock_timeout=timeout).lake.locked("testing"):
        pass


def test_a_second_holder_waits_and_is_told_who_holds_it(backend):
    lake = backend.store(lock_timeout=0.3).lake
    with holder(backend, "publishing features.weather_v1") as process:
        started = time.monotonic()
        with pytest.raises(LockedError) as caught, lake.locked("testing"):
            pass
        assert 0.3 <= time.monotonic() - started < 5
    assert f"process {process.pid} on {os.uname().nodename[:16]}" in str(caught.value)
    assert "(publishing features.weather_v1, since 20" in str(caught.value)


@pytest.mark.parametrize("timeout", [pytest.param(0, id="at_once"), pytest.param(0.05, id="soon")])
def test_one_process_cannot_hold_it_twice(backend, timeout):
    with backend.store().lake.locked("first"), pytest.raises(LockedError, match=rf"process {os.getpid()} on .* \(first, since"):
        take(backend, timeout=timeout)
    take(backend, timeout=timeout)


def test_a_killed_holder_blocks_nobody(backend):
    with holder(backend, "dying") as process:
        with pytest.raises(LockedError):
            take(backend)
        process.kill()
        process.wait()
        take(backend, timeout=2)


def test_who_waits_gets_it_when_it_is_free(backend):
    with holder(backend, "for a moment") as process:
        command = [sys.executable, "-c", HOLD, "waiting"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=backend.environment) as waiting:
            time.sleep(0.5)
            assert waiting.poll() is None
            process.kill()
            assert waiting.stdout.readline() == "held\n"
            waiting.kill()


def test_an_error_frees_it(backend):
    with pytest.raises(KeyboardInterrupt), backend.store().lake.locked("failing"):
        raise KeyboardInterrupt
    take(backend)


def test_nothing_takes_it_away_unseen(backend):
    with backend.store().lake.locked("checking") as still_held:
        still_held()


def test_a_holder_that_left_no_note(tmp_path):
    backend = Backend(tmp_path)
    with holder(backend, "silent"):
        (tmp_path / "lake" / ".writer.json").write_text("{")
        with pytest.raises(LockedError, match="by a process that left no note"):
            take(backend)


def test_lakes_in_other_places_have_other_locks(backend, tmp_path):
    with backend.store().lake.locked("here"):
        take(Backend(tmp_path / "other"))


@pytest.mark.postgres
def test_lakes_in_one_server_and_in_one_database_have_other_locks(postgres, tmp_path):
    first, second = postgres.new_database(), postgres.new_database()
    with Backend(tmp_path, postgres.address(first, "schema=one")).store().lake.locked("here"):
        take(Backend(tmp_path, postgres.address(second, "schema=one")))
        take(Backend(tmp_path, postgres.address(first, "schema=two")))
        with pytest.raises(LockedError):
            take(Backend(tmp_path / "elsewhere", postgres.address(first, "schema=one")))


@pytest.mark.postgres
def test_a_lock_that_the_server_took_away_stops_the_transaction(postgres, tmp_path):
    database = postgres.new_database()
    backend = Backend(tmp_path, postgres.address(database))
    store = backend.store(lock_timeout=1)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%adding a row'"
    with store.connect() as connection, postgres.session() as session:
        connection.execute("CREATE TABLE lake.t (n INTEGER)")
        said = r"was lost while adding a row: .*\. Nothing was changed"
        with pytest.raises(LockedError, match=said), store.lake.writing(connection, "adding a row"):  # noqa: PT012
            connection.execute("INSERT INTO lake.t VALUES (1)")
            assert session.execute(end).fetchall() == [(True,)]
            take(backend, timeout=1)
        assert connection.execute("SELECT count(*) FROM lake.t").fetchone() == (0,)


@pytest.mark.postgres
def test_the_lock_outlasts_the_server_s_time_limits(postgres, tmp_path):
    database = postgres.new_database()
    with postgres.session(database) as session:
        for setting in ("idle_session_timeout", "idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"):
            session.execute(f"ALTER DATABASE {database} SET {setting} = '100ms'")
    lake = Backend(tmp_path, postgres.address(database)).store().lake
    with lake.locked("staying") as still_held:
        time.sleep(0.3)
        still_held()


@pytest.mark.postgres
def test_a_server_that_ends_a_waiting_writer_says_so(postgres, tmp_path):
    backend = Backend(tmp_path, postgres.address(postgres.new_database()))
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%waiting' AND wait_event = 'advisory'"
    )
    with holder(backend, "holding"), postgres.session() as session, ThreadPoolExecutor() as threads:
        waiter = threads.submit(lambda: backend.store().lake.locked("waiting").__enter__())
        while not session.execute(end).fetchall():
            assert not waiter.done(), waiter.result()
            time.sleep(0.02)
        with pytest.raises(UnreachableError, match=r"connection of a writer that waited for its turn: .*Run it again"):
            waiter.result(timeout=20)


@pytest.mark.postgres
def test_no_session_is_left_behind(postgres, tmp_path):
    database = postgres.new_database()
    backend = Backend(tmp_path, postgres.address(database))
    with backend.store().lake.locked("one"):
        with pytest.raises(LockedError):
            take(backend)
        assert len(postgres.clients(database)) == 1
    time.sleep(0.2)  # the server notices a moment later
    assert postgres.clients(database) == []


@pytest.mark.parametrize(
    ("host", "purpose", "name"),
    [
        pytest.param("vm", "publishing x", "fti 7@vm: publishing x", id="all_of_it"),
        pytest.param("h" * 40, "p" * 30, f"fti 7@{'h' * 23}..: {'p' * 30}", id="a_long_host_is_cut"),
        pytest.param("h" * 40, "p" * 60, f"fti 7@{'h' * 14}..: {'p' * 37}..", id="then_the_purpose"),
        pytest.param("vm", "Zürich\n", "fti 7@vm: Z?rich?", id="ascii_only"),
    ],
)
def test_the_name_of_a_session_says_who_and_why(host, purpose, name):
    assert session_name(7, host, purpose) == name
    assert len(name) <= 63


@pytest.mark.parametrize(
    ("name", "since", "words"),
    [
        pytest.param("fti 7@vm: publishing x", "2024", "process 7 on vm (publishing x, since 2024)", id="ours"),
        pytest.param("fti 7@vm: publishing x", None, "process 7 on vm (publishing x)", id="another_role_sees_no_time"),
        pytest.param("psql", "2024", "session 99 of the server ('psql', since 2024)", id="somebody_at_a_terminal"),
    ],
)
def test_the_holder_in_words(name, since, words):
    assert describe_holder(name, 99, since) == words


def test_keys_of_locks_are_stable_and_fit():
    assert lock_key("public") == lock_key("public") != lock_key("other")
    assert all(-(2**63) <= lock_key(f"schema{n}") < 2**63 for n in range(100))
