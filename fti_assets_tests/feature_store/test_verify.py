"""Damage is found, named and mended."""

import re
import shutil
import sqlite3
from contextlib import closing

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.feature_store import DamagedFilesError, FeatureStore, RetentionPolicy, back_up, drop_file, put_back, verify
from fti_assets.feature_store.lake.stored_files import stored_files
from fti_assets_tests.feature_store.examples import HOUR, day, make_group, rows_of
from fti_assets_tests.feature_store.test_maintenance import maintain

GROUP = make_group()
STATIC = make_group("places", static=True)
KEYS = ["2024-01-01", "2024-01-02", "2024-01-03"]
SPAN = day(KEYS[0]).reaching_back(HOUR * 0, HOUR * 48)


def publish(store, key, value, rows=50):
    start = day(key).start
    made = [(f"s{n}", start + HOUR, value + n / 100) for n in range(rows)]
    return store.publish(GROUP, rows_of(GROUP, *made), day(key)).snapshot


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Three days, the first one corrected, and a table without days; all checksums are recorded. With a backup beside it."""
    folder = tmp_path_factory.mktemp("lake")
    store = FeatureStore(folder / "store")
    for n, key in enumerate(KEYS):
        publish(store, key, n)
    publish(store, KEYS[0], 100, rows=40)
    store.publish(STATIC, rows_of(STATIC, *((f"s{n}", 1.0) for n in range(30))))
    assert verify(store.lake).recorded == 6
    back_up(store, folder / "backup")
    return folder


@pytest.fixture
def store(template, tmp_path):
    shutil.copytree(template / "store", tmp_path / "store")
    return FeatureStore(tmp_path / "store")


def files(store, table="features.weather_v1"):
    """The files that are read now, oldest first: those of the second and third day, then that of the first one."""
    with store.connect() as connection:
        return [file for file in stored_files(connection) if file.table == table and file.is_current]


def at(store, file):
    return store.lake.root / "data" / file.path


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path, share=0.3):
    """Turns one bit around, which leaves the size as it is."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 1
    path.write_bytes(content)


def swap_rows(path):
    """A sound Parquet file with other values."""
    table = parquet.read_table(path)
    values = pa.array([value + 1 for value in table["temp"].to_pylist()])
    parquet.write_table(table.set_column(table.column_names.index("temp"), "temp", values), path)


@pytest.mark.parametrize(
    ("damage", "kind", "said"),
    [
        pytest.param(lambda path: path.unlink(), "missing", "the file is gone", id="deleted"),
        pytest.param(cut_short, "size", r"it has [\d,]+ bytes instead of [\d,]+", id="cut_short"),
        pytest.param(lambda path: path.write_bytes(b""), "size", "it has 0 bytes instead of", id="empty"),
        pytest.param(flip, "checksum", r"its SHA-256 is \w{12}\.\. instead of \w{12}\.\.", id="one_bit"),
        pytest.param(swap_rows, "size", "it has .+ bytes instead of", id="another_file"),
    ],
)
def test_damage_is_found_and_named(store, damage, kind, said):
    one = files(store)[0]
    damage(at(store, one))

    found = verify(store.lake)

    (damaged,) = found.damages
    assert not found.is_sound
    assert (damaged.file, damaged.kind, str(damaged.days)) == (one, kind, KEYS[1])
    assert re.match(said, damaged.what)
    assert damaged.snapshots == tuple(range(one.begin, store.snapshots()[-1].number + 1))
    assert found.files == 6


def test_a_sound_lake(store):
    told = []
    found = verify(store.lake, progress=lambda *progress: told.append(progress))

    assert found.is_sound
    assert (found.files, found.recorded, found.damages, found.catalogue) == (6, 0, (), ())
    assert told == [(n, 6) for n in range(1, 7)]


def test_an_unchanged_file_that_never_could_be_read_is_found_without_a_checksum(store):
    """One bit in the first page; its size is right, and no checksum was recorded before."""
    one = files(store)[0]
    with store.connect() as connection:
        connection.execute("DELETE FROM lake.catalog.checksums")
    flip(at(store, one), share=0.02)

    found = verify(store.lake)

    (damaged,) = found.damages
    assert damaged.kind == "unreadable"
    assert not damaged.has_checksum
    assert found.recorded == 5  # it gets none


def test_a_count_that_is_not_that_of_the_catalogue(store):
    one = files(store)[0]
    with store.connect() as connection:
        connection.execute(
            f"UPDATE __ducklake_metadata_lake.ducklake_data_file SET record_count = 51 WHERE data_file_id = {one.id}"
        )

    (damaged,) = verify(store.lake).damages

    assert (damaged.kind, damaged.what) == ("rows", "it has 50 rows instead of 51")


def test_times_that_are_not_those_of_the_catalogue(store):
    """A read leaves files out by them: rows would be lacking in silence."""
    one = files(store)[0]
    with store.connect() as connection:
        connection.execute(
            "UPDATE __ducklake_metadata_lake.ducklake_file_column_stats SET max_value = '2024-01-01 00:00:00+00',"
            f" min_value = '2024-01-01 00:00:00+00' WHERE data_file_id = {one.id} AND min_value LIKE '2024-01-02%'"
        )

    (damaged,) = verify(store.lake).damages

    assert damaged.kind == "times"
    assert damaged.what.startswith("its times are 2024-01-02 01:00:00+00:00 to 2024-01-02 01:00:00+00:00 instead of 2024-01-01")


def test_days_of_corrections_and_of_what_older_snapshots_show(store):
    with store.connect() as connection:
        old = next(file for file in stored_files(connection) if not file.is_current)
    (superseded,) = files(store, "superseded.weather_v1")
    for one in (old, superseded):
        at(store, one).unlink()

    found = {damage.file.id: damage for damage in verify(store.lake).damages}

    assert (found[old.id].is_current, str(found[old.id].days)) == (False, KEYS[0])
    assert found[old.id].snapshots == tuple(range(old.begin, old.end))
    assert (found[superseded.id].is_current, str(found[superseded.id].days)) == (True, KEYS[0])


def test_files_of_deletions_after_maintenance_are_verified_too(store):
    store.upsert(GROUP, rows_of(GROUP, ("s1", day(KEYS[1]).start + HOUR, -1.0)))
    maintain(store)
    publish(store, KEYS[2], 5, rows=7)

    assert verify(store.lake).is_sound
    with store.connect() as connection:
        deletions = [file for file in stored_files(connection) if file.is_current and file.deletes_from is not None]
    assert deletions
    flip(at(store, deletions[0]))
    (damaged,) = verify(store.lake).damages
    assert damaged.file.deletes_from is not None


# The catalogue


def test_a_catalogue_that_is_no_database(store):
    file = store.lake.root / "catalog.sqlite"
    file.write_bytes(b"x" * 8192)

    found = verify(store.lake)

    assert not found.is_sound
    assert "file is not a database" in found.catalogue[0]


def test_a_catalogue_with_a_broken_page(store):
    file = store.lake.root / "catalog.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ducklake_data_file'").fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * 4096 : (page - 1) * 4096 + 8] = b"\xff" * 8
    file.write_bytes(content)

    found = verify(store.lake)

    assert found.catalogue
    assert "catalog.sqlite" in found.catalogue[0]


def test_a_catalogue_that_lacks_a_table(store):
    with closing(sqlite3.connect(store.lake.root / "catalog.sqlite")) as database:
        database.execute("DROP TABLE ducklake_column")

    assert verify(store.lake).catalogue


# Mended


def test_files_are_put_back_from_a_backup(store, template):
    one, two, _ = files(store)
    at(store, one).unlink()
    flip(at(store, two))
    damaged = [damage.file.path for damage in verify(store.lake).damages]

    assert put_back(store.lake, template / "backup", damaged) == [one.path, two.path]

    assert verify(store.lake).is_sound


def test_a_file_of_a_backup_that_is_damaged_too_is_not_put_back(store, template, tmp_path):
    shutil.copytree(template / "backup", tmp_path / "backup")
    one = files(store)[0]
    at(store, one).unlink()
    flip(tmp_path / "backup" / "data" / one.path)

    assert put_back(store.lake, tmp_path / "backup", [one.path, "features/other.parquet"]) == []
    assert not at(store, one).exists()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), cut_short], ids=["deleted", "cut_short"])
def test_days_of_a_file_that_cannot_be_read_are_published_again(store, damage):
    """DuckLake reads a file to delete its rows, so that publishing alone cannot mend it."""
    one = files(store)[0]
    damage(at(store, one))
    fresh = FeatureStore(store.root)
    with pytest.raises(duckdb.Error):
        publish(fresh, KEYS[1], 7)

    with fresh.connect() as connection:
        dropped = drop_file(fresh.lake, connection, one.path)
        assert fresh.unpublished_days(connection, GROUP.table, SPAN) == [KEYS[1]]
    assert (dropped.file, dropped.rows, str(dropped.days)) == (one, 50, KEYS[1])
    assert dropped.snapshot == fresh.snapshots()[-1].number
    assert [one.kind for one in fresh.publications("features.weather_v1", limit=1)] == ["lost"]

    publish(fresh, KEYS[1], 7)

    with fresh.connect() as connection:
        assert fresh.unpublished_days(connection, GROUP.table, SPAN) == []
        counts = connection.execute(f"SELECT count(*), count(*) FILTER (temp BETWEEN 7 AND 8) FROM {GROUP.table.sql}").fetchone()
    assert counts == (140, 50)
    (left,) = verify(fresh.lake).damages
    assert not left.is_current


def test_older_snapshots_of_a_file_that_was_taken_out_fail_instead_of_lacking_its_rows(store):
    one = files(store)[0]
    at(store, one).unlink()
    before = store.snapshots()[-1].number
    with store.connect() as connection:
        drop_file(store.lake, connection, one.path)
    with store.reading(before) as connection, pytest.raises(duckdb.Error, match="No such file"):
        connection.execute(f"SELECT sum(temp) FROM {GROUP.table.sql}").fetchall()


def test_with_a_file_of_deletions_the_file_whose_rows_it_deletes_is_taken_out(store):
    store.upsert(GROUP, rows_of(GROUP, ("s1", day(KEYS[1]).start + HOUR, -1.0)))
    maintain(store, RetentionPolicy(flush_from=1))
    with store.connect() as connection:
        (deletions,) = [file for file in stored_files(connection) if file.is_current and file.deletes_from is not None]
    at(store, deletions).unlink()
    with store.connect() as connection:
        dropped = drop_file(store.lake, connection, deletions.path)
        assert (dropped.file.id, str(dropped.days)) == (deletions.deletes_from, KEYS[1])
        assert connection.execute(f"SELECT count(*) FROM {GROUP.table.sql}").fetchone() == (40 + 50 + 1,)


def test_a_table_without_days_is_unpublished_as_a_whole_until_it_is_published_again(store):
    (one,) = files(store, "features.places_v1")
    at(store, one).unlink()
    with store.connect() as connection:
        assert drop_file(store.lake, connection, one.path).days is None
        assert store.unpublished_days(connection, STATIC.table, SPAN) == ["as a whole"]
    store.publish(STATIC, rows_of(STATIC, ("s0", 1.0)))
    with store.connect() as connection:
        assert store.unpublished_days(connection, STATIC.table, SPAN) == []


def test_a_sound_file_is_not_taken_out(store):
    one = files(store)[0]
    with store.connect() as connection, pytest.raises(FtiError, match="is as it was written; nothing was changed"):
        drop_file(store.lake, connection, one.path)


@pytest.mark.parametrize("path", ["", "x.parquet", "../catalog.sqlite", "x' OR '1'='1"])
def test_what_is_no_file_of_the_lake_is_not_taken_out(store, path):
    with store.connect() as connection, pytest.raises(NotFoundError, match="is not in what the newest snapshot reads"):
        drop_file(store.lake, connection, path)


def test_a_damaged_file_stops_a_first_backup(store, tmp_path):
    one = files(store)[0]
    flip(at(store, one))
    with pytest.raises(DamagedFilesError, match="no backup was made"):
        back_up(store, tmp_path / "other")
