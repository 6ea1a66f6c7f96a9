"""What the store promises holds on each kind of catalogue."""

import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta

import duckdb
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import (
    ConnectionPool,
    DiskFullError,
    FeatureStore,
    LockedError,
    RetentionPolicy,
    carry_out,
    plan_maintenance,
    verify,
)
from fti_assets_tests.feature_store.examples import DAYS, T0, YEAR, day, make_group, read_all, rows_of
from fti_assets_tests.feature_store.publishing import GROUP, ROWS, rows, rows_of_day

NEXT = T0 + timedelta(days=1)


@contextmanager
def process(backend, what, *more):
    """A process that has said its first word; it is killed at the end."""
    command = [sys.executable, "-m", "fti_assets_tests.feature_store.publishing", what, str(backend.root), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=backend.environment) as started:
        try:
            assert started.stdout.readline(), "the process ended before it began"
            yield started
        finally:
            started.kill()


def state(store):
    with store.connect() as connection:
        return connection.execute(f"SELECT count(*), min(temp), max(temp) FROM {GROUP.table.sql}").fetchone()


def maintained(store):
    """All that maintenance may do is done."""
    policy = RetentionPolicy(keep_days=0, grace_hours=0, merge_from=2)
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, store.holds(), policy)
        return carry_out(store.lake, connection, plan, store.holds, lambda *told: None)


def values(store, snapshot=None):
    with store.reading(snapshot) as connection:
        return connection.execute(f"SELECT station, temp FROM {GROUP.table.sql} ORDER BY ALL").fetchall()


def test_a_lake_is_there_once_something_was_published(backend):
    store = backend.store()
    assert not store.lake.is_there
    assert store.tables() == []
    with pytest.raises(NotFoundError, match="nothing was ever published"), store.connect(snapshot=1):
        pass
    assert not store.lake.is_there
    store.publish(GROUP, rows_of(GROUP, ("a", T0, 1.0)), YEAR)
    assert store.lake.is_there


def test_a_range_is_published_and_a_day_of_it_replaced_and_the_old_state_can_still_be_read(backend):
    store = backend.store()
    first = store.publish(GROUP, rows_of(GROUP, ("a", T0, 1.0), ("b", NEXT, 2.0)), YEAR, run="r1")
    second = store.publish(GROUP, rows_of(GROUP, ("c", NEXT, 3.0)), day("2024-01-11"), run="r2")
    assert (first.rows, second.rows, second.replaced) == (2, 1, 1)
    assert second.snapshot > first.snapshot
    assert values(store) == [("a", 1.0), ("c", 3.0)]
    assert values(store, first.snapshot) == [("a", 1.0), ("b", 2.0)]
    assert [one.snapshot for one in store.publications(str(GROUP.table))] == [second.snapshot, first.snapshot]
    with pytest.raises(NotFoundError, match=f"There is no snapshot {second.snapshot + 1} in the lake"):
        values(store, second.snapshot + 1)


def test_values_of_every_type_come_back_as_they_were(backend):
    store = backend.store()
    awkward = ["", "'; DROP TABLE x; --", "Zürich 東京 🛫", "a\nb\tc", "\\x00 %s $1 {}", "x" * 10_000]
    written = [(name, T0, float("inf") if n == 0 else -0.1 * n) for n, name in enumerate(awkward)]
    store.publish(GROUP, rows_of(GROUP, *written), YEAR)
    assert sorted((name, temp) for name, temp in values(store)) == sorted((name, temp) for name, _, temp in written)


def test_a_correction_is_joined_from_when_it_was_published(backend):
    store = backend.store()
    first = store.publish(GROUP, rows_of(GROUP, ("a", T0, 1.0), ("b", T0, 1.0)), YEAR)
    store.upsert(GROUP, rows_of(GROUP, ("a", T0, 2.0)))
    store.retract(GROUP, pa.table({"station": ["b"], "at": pa.array([T0], pa.timestamp("us", "UTC"))}))
    spine = pa.table({"station": ["a", "b"], "time": pa.array([NEXT, NEXT], pa.timestamp("us", "UTC"))})
    found = {}
    for known_at in (None, first.published_at):
        found[known_at] = store.get_features([GROUP["temp"]], spine, at="time", known_at=known_at).to_arrow()["temp"].to_pylist()
    assert found == {None: [2.0, None], first.published_at: [1.0, 1.0]}


def test_tables_are_listed_with_their_sizes(backend):
    store = backend.store()
    store.publish(GROUP, rows(1), YEAR)
    (info,) = store.tables("features")
    assert (str(info), info.rows) == ("features.weather_v1", ROWS)
    assert (info.files, info.bytes > 0) == (1, True)


def test_a_second_store_of_the_same_lake_sees_what_the_first_published(backend, tmp_path):
    backend.store().publish(GROUP, rows_of(GROUP, ("a", T0, 1.0)), YEAR)
    assert values(backend.store()) == [("a", 1.0)]


def test_several_processes_that_begin_a_lake_and_publish_into_one_table_lose_nothing(backend):
    keys = list(DAYS.keys(DAYS.span()))[:40]
    shares = [keys[first::4] for first in range(4)]
    writers = []
    for share in shares:
        command = [sys.executable, "-m", "fti_assets_tests.feature_store.publishing", "days", str(backend.root), *share]
        writers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=backend.environment))
    failed = [said for said, writer in ((writer.communicate(timeout=200)[1], writer) for writer in writers) if writer.returncode]
    assert failed == []
    expected = sorted(row for key in keys for row in zip(*rows_of_day(key).to_pydict().values(), strict=True))
    store = backend.store()
    assert read_all(store, GROUP.table) == expected
    with store.connect() as connection:
        assert store.unpublished_days(connection, GROUP.table, DAYS.span())[:1] == ["2024-02-10"]


def test_a_held_lock_stops_writers_by_name_and_readers_not_at_all(backend):
    store = backend.store(lock_timeout=0.2)
    store.publish(GROUP, rows(1), YEAR)
    with process(backend, "hold") as holder:
        assert state(store) == (ROWS, 1.0, 1.0)
        named = rf"locked for more than 0\.2 s by process {holder.pid} on .+ \(holding on, since .+\)\. Wait for it"
        with pytest.raises(LockedError, match=named):
            store.publish(GROUP, rows(2), YEAR)
    assert state(store) == (ROWS, 1.0, 1.0)
    backend.store(lock_timeout=2).publish(GROUP, rows(3), YEAR)  # the dead holder's lock is free at once
    assert state(store) == (ROWS, 3.0, 3.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_leaves_the_old_or_the_new_state_and_no_lock(backend, seed):
    store = backend.store(lock_timeout=5)
    with process(backend, "publish") as writer:
        time.sleep(random.Random(seed).uniform(0, 0.6))
        writer.kill()
        said = [2, *(int(line) for line in writer.stdout.read().split("\n")[:-1])]
    count, lowest, highest = state(store)
    assert (count, lowest) == (ROWS, highest)
    assert highest in (said[-1], said[-1] + 1)  # killed before it could say so, or before it was done
    assert store.publish(GROUP, rows(0), YEAR).replaced == ROWS
    assert state(store) == (ROWS, 0.0, 0.0)


def test_an_error_in_a_transaction_rolls_it_back_and_frees_the_lock(backend):
    store = backend.store(lock_timeout=1)
    store.publish(GROUP, rows(1), YEAR)
    with store.connect() as connection:
        with pytest.raises(KeyboardInterrupt), store.lake.writing(connection, "failing"):  # noqa: PT012
            connection.execute(f"DELETE FROM {GROUP.table.sql}")
            raise KeyboardInterrupt
        assert connection.execute(f"SELECT count(*) FROM {GROUP.table.sql}").fetchone() == (ROWS,)
    assert store.publish(GROUP, rows(2), YEAR).replaced == ROWS


def test_an_unfinished_read_stops_no_writer(backend):
    store = backend.store()
    store.publish(GROUP, rows(1), YEAR)
    with store.connect() as connection:
        connection.execute(f"SELECT temp FROM {GROUP.table.sql}").fetchone()
        assert store.publish(GROUP, rows(2), YEAR).replaced == ROWS


def test_a_pooled_connection_knows_nothing_of_the_lake_before(backend):
    pool = ConnectionPool(lambda: duckdb.connect(":memory:"))
    store = backend.store(connector=pool.connection)
    store.publish(GROUP, rows_of(GROUP, ("a", T0, 1.0)), YEAR)
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_secrets()").fetchone() == (0,)
        attached = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"
        assert connection.execute(attached).fetchall() == [("memory",)]
    assert values(store) == [("a", 1.0)]


def test_an_instance_that_went_to_disk_for_one_lake_serves_another(tmp_path):
    pool = ConnectionPool(lambda: duckdb.connect(":memory:"))
    first, second = FeatureStore(tmp_path / "first", pool.connection), FeatureStore(tmp_path / "second", pool.connection)
    with first.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = '20MB'")
        connection.execute("CREATE TEMP TABLE t AS SELECT n, random()::VARCHAR AS s FROM range(2_000_000) AS r(n)")
        assert connection.execute("SELECT count(*) FROM duckdb_temporary_files()").fetchone() != (0,)
    shutil.rmtree(first.root)
    with second.connect() as connection:
        connection.execute("SET memory_limit = '20MB'")
        connection.execute("CREATE TEMP TABLE t AS SELECT n, random()::VARCHAR AS s FROM range(2_000_000) AS r(n)")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2_000_000,)


def test_maintenance_leaves_what_readers_see_and_fewer_files(backend):
    store = backend.store()
    for key in [*list(DAYS.keys(YEAR))[:5], "2024-01-02"]:
        start = DAYS.window(key).start
        store.publish(GROUP, rows_of(GROUP, *((f"s{n}", start, float(n)) for n in range(50))), DAYS.window(key))
    before = values(store)
    done = maintained(store)
    assert values(store) == before
    assert len(before) == 250
    assert (store.table("features", "weather_v1").files, done.after.waiting) == (1, 0)
    assert done.after.files < done.before.files
    assert (verify(store.lake).damages, verify(store.lake).catalogue) == ((), ())


def test_no_extension_is_fetched_from_the_internet(backend):
    with backend.store().connect() as connection:
        assert connection.execute("SELECT current_setting('autoinstall_known_extensions')").fetchone() == (False,)


def test_kind_and_place(backend):
    lake = backend.store().lake
    assert lake.catalog.kind == ("postgres" if backend.catalog else "sqlite")
    assert lake.is_local is (backend.catalog is None)
    assert lake.data_path == str(backend.root / "lake" / "data")


def test_a_group_of_another_version_stands_beside(backend):
    store, second = backend.store(), make_group(version=2)
    store.publish(GROUP, rows_of(GROUP, ("a", T0, 1.0)), YEAR)
    store.publish(second, rows_of(second, ("a", T0, 2.0)), YEAR)
    assert [str(info) for info in store.tables("features")] == ["features.weather_v1", "features.weather_v2"]


@pytest.mark.parametrize(
    "said",
    ["database or disk is full", "Could not write file: No space left on device", "exceed max_temp_directory_size"],
    ids=["catalogue", "files", "temporary_files"],
)
def test_a_full_disk_is_named_with_what_to_do(store, said):
    with (
        pytest.raises(DiskFullError, match=r"The disk of the lake '.+/lake', .+ is full; .+ was undone") as raised,
        store.connect(),
    ):
        raise duckdb.IOException(said)
    assert "fti lake maintain" in str(raised.value)
