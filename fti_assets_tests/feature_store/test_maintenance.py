"""The care of the lake on real lakes: what readers see stays, what nothing needs goes."""

import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from fti_assets.errors import FtiError
from fti_assets.feature_store import (
    DamagedFilesError,
    FeatureStore,
    Hold,
    LockedError,
    RetentionPolicy,
    carry_out,
    drop_file,
    plan_maintenance,
    record_checksums,
    verify,
)
from fti_assets.feature_store.care.checksums import CHECKSUMS, checksums, recording
from fti_assets.feature_store.care.maintenance import observe
from fti_assets.feature_store.lake.stored_files import replaced_files, stored_files
from fti_assets_tests.feature_store import maintaining
from fti_assets_tests.feature_store.examples import HOUR, OUTCOMES, TRIPS, day, make_dataset, make_group, make_view, rows_of
from fti_assets_tests.feature_store.servers import Backend

GROUP = make_group()
EVERYTHING = RetentionPolicy(keep_days=0, grace_hours=0, merge_from=2)
KEYS = [f"2024-01-{n:02}" for n in range(1, 7)]


def publish(store, key, value, rows=50):
    start = day(key).start
    made = [(f"s{n}", start + HOUR, value + n / 100) for n in range(rows)]
    return store.publish(GROUP, rows_of(GROUP, *made), day(key)).snapshot


def maintain(store, policy=EVERYTHING, holds=None, said=None):
    holds = holds or store.holds
    with store.connect() as connection:
        plan = plan_maintenance(store.lake, connection, holds(), policy)
        return carry_out(store.lake, connection, plan, holds, lambda *told: said.append(told) if said is not None else None)


def content(store, as_of=None):
    with store.reading(as_of) as connection:
        return connection.execute(f'SELECT station, "at", temp FROM {GROUP.table.sql} ORDER BY ALL').fetchall()


def paths(store):
    return sorted(path.relative_to(store.lake.data_path).as_posix() for path in (store.lake.root / "data").rglob("*.parquet"))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Six days in files of their own, two of them corrected later."""
    store = FeatureStore(tmp_path_factory.mktemp("lake"))
    for n, key in enumerate(KEYS):
        publish(store, key, n)
    for key in KEYS[:2]:
        publish(store, key, 100)
    return store


@pytest.fixture
def filled(template, store):
    """A copy of it: a lake may be moved with its folder."""
    shutil.copytree(template.root, store.root, dirs_exist_ok=True)
    return store


def test_what_readers_see_stays_and_what_nothing_needs_goes(filled):
    before, said = content(filled), []

    done = maintain(filled, said=said)

    assert content(filled) == before
    assert done.after.tables["features.weather_v1"][0] == 1
    assert done.before.tables["features.weather_v1"][0] == 6
    assert (done.before.files, done.after.files, done.after.waiting) == (10, 2, 0)
    assert len(done.expired) == done.before.snapshots - 1
    assert len(paths(filled)) == done.after.files
    assert done.after.bytes < done.before.bytes / 2
    assert said[0][0] == "checking what is written anew"
    assert said[-1][0] == "done"


def test_maintained_again_there_is_nothing_to_do(filled):
    maintain(filled)
    first = filled.snapshots()[-1].number

    assert maintain(filled, RetentionPolicy(grace_hours=0, merge_from=2)).plan.is_empty
    assert filled.snapshots()[-1].number == first


def test_held_snapshots_read_the_same_rows_after_the_rest_is_gone(filled):
    held = [snapshot.number for snapshot in filled.snapshots()][4:8:3]
    before = {number: content(filled, number) for number in held}
    for number in held:
        filled.tag(f"tag_{number}", number)

    maintain(filled)
    maintain(filled)

    assert {number: content(filled, number) for number in held} == before
    kept = {snapshot.number for snapshot in filled.snapshots()}
    assert set(held) < kept
    assert len(kept) <= len(held) + 3  # and what maintenance itself has made


def test_a_dataset_is_cut_again_from_its_snapshot_after_corrections_and_maintenance(store):
    view = make_view(GROUP)
    for n, key in enumerate(KEYS):
        publish(store, key, n)
        start = day(key).start
        store.publish(TRIPS, rows_of(TRIPS, *((100 * n + m, start + 2 * HOUR, f"s{m}", "l", 1.0) for m in range(40))), day(key))
        store.publish(OUTCOMES, rows_of(OUTCOMES, *((100 * n + m, start + 5 * HOUR, m % 3 == 0) for m in range(40))), day(key))
    cutoff = day("2024-01-07").start.date()
    _, manifest = store.cut(make_dataset(view), cutoff, code_version="test")
    for key in KEYS:
        publish(store, key, 1000)

    maintain(store)

    assert manifest.snapshot in {snapshot.number for snapshot in store.snapshots()}
    assert manifest.snapshot - 1 not in {snapshot.number for snapshot in store.snapshots()}
    again = store.recreate("delay", manifest.id)
    assert (again.same, again.manifest.content_hash) == (True, manifest.content_hash)


def test_publishing_goes_on_after_maintenance(filled):
    maintain(filled)
    publish(filled, KEYS[2], 7, rows=10)
    maintain(filled, RetentionPolicy(keep_days=0, grace_hours=0, rewrite_from=0.01))

    rows = content(filled)
    assert len(rows) == 5 * 50 + 10
    assert [value for _, at, value in rows if day(KEYS[2]).holds(at)] == [7 + n / 100 for n in range(10)]


def test_files_are_left_to_readers_for_the_time_of_grace(filled):
    policy = RetentionPolicy(keep_days=0, grace_hours=1, merge_from=2)
    before = set(paths(filled))

    done = maintain(filled, policy)
    assert before < set(paths(filled))
    assert done.after.waiting == len(before)

    _replaced_before(filled, hours=1)
    assert maintain(filled, policy).after.waiting == 0
    assert len(paths(filled)) == 2


def test_the_time_of_grace_is_kept_where_some_files_wait_longer_than_others(filled):
    """DuckLake itself compares days on SQLite, and would take both."""
    policy = RetentionPolicy(keep_days=0, grace_hours=2, merge_from=2)
    maintain(filled, policy)
    _replaced_before(filled, hours=50)
    old = _replaced(filled)
    for n, key in enumerate(KEYS[:3]):
        publish(filled, key, 5 * n)

    maintain(filled, policy)

    young = _replaced(filled)
    assert young <= set(paths(filled))
    assert young.isdisjoint(old)
    assert old.isdisjoint(paths(filled))
    assert (len(young), len(old)) == (10, 10)


def _replaced_before(store, hours):
    """As if all files that wait had been replaced some hours earlier."""
    with store.connect() as connection:
        connection.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
            f" SET schedule_start = (schedule_start::TIMESTAMPTZ - INTERVAL {hours} HOUR)::VARCHAR"
        )


def _replaced(store):
    """Paths of the files that wait."""
    with store.connect() as connection:
        return {file.path for file in replaced_files(connection)}


def test_what_is_tagged_while_maintenance_runs_is_held(filled):
    number = filled.snapshots()[4].number
    asked = []

    def holds():
        """The tag is set after the plan was made."""
        asked.append(None)
        return [Hold(number, "tag late")] if len(asked) > 1 else []

    done = maintain(filled, holds=holds)

    assert number in done.plan.expire
    assert number not in done.expired
    assert number in {snapshot.number for snapshot in filled.snapshots()}


def test_when_it_cannot_be_asked_what_holds_snapshots_none_expires(filled):
    before, asked = filled.snapshots(), []

    def holds():
        asked.append(None)
        if len(asked) > 1:
            raise FtiError("The registry does not answer.")
        return []

    with pytest.raises(FtiError, match="does not answer"):
        maintain(filled, holds=holds)
    assert filled.snapshots() == before


def test_orphans_go_when_they_are_old(filled):
    folder = filled.lake.root / "data" / "features" / "weather_v1"
    for name, hours in (("old.parquet", 25), ("young.parquet", 23)):
        (folder / name).write_bytes(b"x" * 10)
        os.utime(folder / name, times=(time.time() - 3600 * hours,) * 2)

    done = maintain(filled, RetentionPolicy())

    assert done.plan.orphans == ("features/weather_v1/old.parquet",)
    assert not (folder / "old.parquet").exists()
    assert (folder / "young.parquet").exists()


def test_a_damaged_file_is_not_merged_into_one_that_looks_sound(filled):
    with filled.connect() as connection:
        assert record_checksums(filled.lake, connection) == 10
        one = next(file for file in stored_files(connection) if file.is_current)
    file = filled.lake.root / "data" / one.path
    content_ = bytearray(file.read_bytes())
    content_[len(content_) // 2] ^= 1
    file.write_bytes(content_)
    before = paths(filled), filled.snapshots()

    with pytest.raises(DamagedFilesError, match=f"^{one.path} is gone or not what was written; nothing was changed") as caught:
        maintain(filled)

    assert caught.value.paths == (one.path,)
    assert (paths(filled), filled.snapshots()) == before


def test_maintenance_waits_for_writers_as_they_do_for_it(filled):
    impatient = FeatureStore(filled.root, lock_timeout=0.1)
    with filled.connect() as connection, filled.lake.writing(connection, "publishing something"), pytest.raises(LockedError):
        maintain(impatient)
    assert len(content(filled)) == 300


def test_a_reader_that_began_before_reads_on(filled):
    before = content(filled)
    with filled.reading() as connection:
        maintain(filled, RetentionPolicy(merge_from=2))
        assert connection.execute(f'SELECT station, "at", temp FROM {GROUP.table.sql} ORDER BY ALL').fetchall() == before


def test_columns_added_later_are_there_after_merging(store):
    publish(store, KEYS[0], 1)
    wider = make_group(features=("temp", "wind"))
    for key in KEYS[1:4]:
        store.publish(wider, rows_of(wider, ("s0", day(key).start, 1.0, 2.0)), day(key))

    maintain(store)

    with store.connect() as connection:
        found = connection.execute(f"SELECT count(*), count(wind) FROM {wider.table.sql}").fetchone()
    assert found == (53, 3)


# Interrupted


class Interrupted(Exception):  # noqa: N818
    """Stands for a killed process between two steps."""


@pytest.mark.parametrize("step", range(6))
def test_interrupted_between_steps_it_reads_as_before_and_is_repeated(filled, step):
    before = content(filled)

    def interrupt(_, done, __):
        if done == step:
            raise Interrupted

    with filled.connect() as connection:
        plan = plan_maintenance(filled.lake, connection, [], EVERYTHING)
        with pytest.raises(Interrupted):
            carry_out(filled.lake, connection, plan, list, interrupt)
    assert content(filled) == before

    done = maintain(filled)

    assert content(filled) == before
    assert (len(paths(filled)), done.after.waiting, done.after.snapshots) == (2, 0, done.after.snapshots)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_the_lake_is_sound_and_maintained_again(tmp_path, seed):
    store = FeatureStore(tmp_path)
    for key in maintaining.KEYS:
        maintaining.publish(store, key, 0)
    store.tag("start")
    command = [sys.executable, "-m", "fti_assets_tests.feature_store.maintaining", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout.readline(), "the process ended before it began"
            time.sleep(random.Random(seed).uniform(0, 1.2))
        finally:
            started.kill()

    for _ in range(2):
        assert verify(store.lake).is_sound
        assert _values_by_day(store, "start") == [(50, 0.0, 0.0)] * 6
        found = _values_by_day(store)
        assert [(count, low) for count, low, _ in found] == [(count, high) for count, _, high in found]
        maintaining.maintain(store)


def _values_by_day(store, as_of=None):
    with store.reading(as_of) as connection:
        query = f"""SELECT count(*), min(temp), max(temp) FROM {GROUP.table.sql} GROUP BY "at" ORDER BY "at" """
        return connection.execute(query).fetchall()


# Checksums


def test_checksums_are_recorded_once(filled):
    with filled.connect() as connection:
        assert record_checksums(filled.lake, connection) == 10
        before = filled.snapshots()
        assert record_checksums(filled.lake, connection) == 0
        found = checksums(connection)
    assert filled.snapshots() == before
    assert sorted(found) == paths(filled)
    assert [found[path].bytes for path in paths(filled)] == [
        (filled.lake.root / "data" / path).stat().st_size for path in paths(filled)
    ]


def test_checksums_of_one_publication(filled):
    snapshot = publish(filled, "2024-01-20", 3)
    with filled.connect() as connection:
        assert record_checksums(filled.lake, connection, snapshot=snapshot) == 1
        (path,) = checksums(connection)
        assert connection.execute(f"SELECT count(*) FROM {CHECKSUMS.sql}").fetchone() == (1,)
    assert path in paths(filled)


def test_files_of_the_platform_itself_are_few(filled):
    """Checksums and publications are kept in the catalogue, not in files of their own."""
    for _ in range(3):
        maintain(filled)
    assert [path for path in paths(filled) if path.startswith("catalog/")] == []


def test_many_rows_in_the_catalogue_move_into_files(filled):
    before = filled.publications("features.weather_v1")
    done = maintain(filled, RetentionPolicy(flush_from=5))

    assert "catalog.publications" in done.plan.flush
    assert filled.publications("features.weather_v1") == before
    with filled.connect() as connection:
        assert "catalog.publications" not in observe(filled.lake, connection, EVERYTHING).inlined


def test_what_a_block_writes_is_recorded_in_its_transaction(filled):
    rows = f"INSERT INTO {GROUP.table.sql} SELECT * FROM {GROUP.table.sql}"
    with filled.connect() as connection:
        with pytest.raises(Interrupted), filled.lake.writing(connection, "failing"):  # noqa: PT012
            with recording(filled.lake, connection, GROUP.table):
                connection.execute(rows)
            raise Interrupted
        assert checksums(connection) == {}
        with filled.lake.writing(connection, "writing"), recording(filled.lake, connection, GROUP.table):
            connection.execute(rows)
        ((path, found),) = checksums(connection).items()
        assert [file.bytes for file in stored_files(connection) if file.path == path] == [found.bytes]


# On servers


@pytest.fixture(params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("s3", marks=pytest.mark.s3)])
def opened(request, tmp_path):
    """Opens a lake whose catalogue, or whose files, are on a server, with six days and a correction."""
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        backend = Backend(tmp_path, catalog=server.address(server.new_database()))
    else:
        backend = Backend(tmp_path, data=f"s3://{request.getfixturevalue('s3').new_bucket()}/lake")
    store = backend.store()
    for n, key in enumerate(KEYS):
        publish(store, key, n)
    publish(store, KEYS[0], 100)
    return backend.store


def test_maintenance_on_a_server(opened):
    store = opened()
    before, number = content(store), store.snapshots()[-3].number
    held = content(store, number)
    store.tag("held", number)

    done = maintain(store)

    assert content(store) == before
    assert content(store, number) == held
    assert done.after.tables["features.weather_v1"][0] == 1
    assert (done.before.files, done.after.files, done.after.waiting) == (8, 3, 0)
    assert verify(store.lake).is_sound


def test_damage_on_a_server_is_found_and_its_days_are_published_again(opened, request):
    store = opened()
    with store.connect() as connection:
        record_checksums(store.lake, connection)
        one = next(file for file in stored_files(connection) if file.is_current)
    if store.lake.data.kind == "folder":
        (store.lake.root / "data" / one.path).unlink()
    else:
        request.getfixturevalue("s3").remove(f"{store.lake.data_path}/{one.path}")

    store = opened()
    (damage,) = verify(store.lake).damages
    assert (damage.file, damage.kind, str(damage.days)) == (one, "missing", KEYS[1])
    with store.connect() as connection:
        drop_file(store.lake, connection, one.path)
        assert store.unpublished_days(connection, GROUP.table, day(KEYS[1])) == [KEYS[1]]
    publish(store, KEYS[1], 5)
    assert len(content(store)) == 300
