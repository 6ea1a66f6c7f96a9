"""What the care of the lake relies on of DuckLake. No code of ours is used, so that an upgrade that breaks a promise shows here."""

import os
import time
from pathlib import Path

import duckdb
import pytest

METADATA = "__ducklake_metadata_lake"
WITHOUT_INLINING = "DATA_INLINING_ROW_LIMIT 0"


def attach(folder, *options):
    connection = duckdb.connect(":memory:")
    for extension in ("ducklake", "sqlite"):
        connection.load_extension(extension)
    connection.execute("SET TimeZone = 'UTC'")
    given = ", ".join([f"DATA_PATH '{folder}/data'", "OVERRIDE_DATA_PATH true", "META_JOURNAL_MODE 'WAL'", *options])
    connection.execute(f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake ({given})")
    return connection


def publish(connection, day, value, rows=500):
    """Puts `rows` rows in place of those of a day, as one commit."""
    connection.begin()
    connection.execute(f"DELETE FROM lake.t WHERE day = {day}")
    connection.execute(f"INSERT INTO lake.t SELECT {day}, n, {value} FROM range({rows}) AS r(n)")
    connection.commit()


@pytest.fixture
def lake(tmp_path):
    """Six days in files of their own, and the second one published again."""
    with attach(tmp_path, WITHOUT_INLINING) as connection:
        connection.execute("CREATE TABLE lake.t (day BIGINT, n BIGINT, value BIGINT)")
        for day in range(6):
            publish(connection, day, 1)
        publish(connection, 1, 2)
        yield connection


def call(connection, function, arguments=""):
    return connection.execute(f"CALL ducklake_{function}('lake'{', ' if arguments else ''}{arguments})").fetchall()


def kept(connection):
    return [number for (number,) in connection.execute("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall()]


def content(connection, snapshots):
    """What each snapshot shows; the first ones have no table yet."""
    return {
        number: connection.execute(f"SELECT * FROM lake.t AT (VERSION => {number}) ORDER BY ALL").fetchall()
        for number in snapshots
        if number > 0
    }


def files(folder):
    return sorted(path.name for path in (folder / "data").rglob("*.parquet"))


def scheduled(connection):
    return connection.execute(f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion").fetchall()


def test_merged_and_rewritten_files_show_every_snapshot_what_it_showed(lake):
    lake.execute("DELETE FROM lake.t WHERE day = 3 AND n < 300")
    before = content(lake, kept(lake))
    call(lake, "rewrite_data_files", "'t', schema => 'main', delete_threshold => 0.2")
    call(lake, "merge_adjacent_files", "'t', schema => 'main', max_file_size => 32000000")
    assert len(lake.execute("FROM ducklake_list_files('lake', 't')").fetchall()) == 1
    assert content(lake, before) == before


def test_files_that_are_large_are_left_as_they_are(lake):
    lake.execute("INSERT INTO lake.t SELECT 100, n, (hash(n) >> 8)::BIGINT FROM range(20_000) AS r(n)")
    call(lake, "merge_adjacent_files", "'t', schema => 'main', max_file_size => 50000")
    sizes = [size for (size,) in lake.execute("SELECT data_file_size_bytes FROM ducklake_list_files('lake', 't')").fetchall()]
    assert len(sizes) == 2
    assert max(sizes) > 50_000 > min(sizes)


def test_merging_keeps_the_order_of_the_rows(lake):
    before = lake.execute("SELECT day, n FROM lake.t").fetchall()
    call(lake, "merge_adjacent_files")
    assert lake.execute("SELECT day, n FROM lake.t").fetchall() == before


def test_compaction_has_a_message_and_without_work_makes_no_snapshot(lake):
    for expected in (1, 0):
        before = kept(lake)[-1]
        lake.begin()
        call(lake, "merge_adjacent_files", "'t', schema => 'main'")
        lake.execute("CALL lake.set_commit_message('me', 'merge')")
        lake.commit()
        assert kept(lake)[-1] == before + expected
    query = "SELECT author, commit_message FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
    assert lake.execute(query).fetchone() == ("me", "merge")


def test_exactly_the_named_snapshots_expire_and_the_newest_never(lake):
    every = kept(lake)
    before = content(lake, every)
    call(lake, "expire_snapshots", f"versions => [0, 3, 5, {every[-1]}, 999]")
    assert kept(lake) == [number for number in every if number not in (0, 3, 5)]
    assert content(lake, kept(lake)) == {number: before[number] for number in kept(lake)}


def test_no_snapshots_to_expire_is_an_error(lake):
    with pytest.raises(duckdb.Error):
        call(lake, "expire_snapshots", "versions => []")


def test_expiry_is_rolled_back_with_its_transaction(lake):
    every = kept(lake)
    lake.begin()
    call(lake, "expire_snapshots", "versions => [2, 3]")
    lake.rollback()
    assert kept(lake) == every


def test_by_age_on_sqlite_more_expires_and_is_removed_than_was_asked_for(lake):
    """Texts of two formats are compared: all of the same day counts as older. Therefore snapshots expire by their numbers."""
    if time.gmtime().tm_hour == 0:
        pytest.skip("an hour ago was another day")
    call(lake, "merge_adjacent_files")
    assert len(call(lake, "expire_snapshots", "dry_run => true, older_than => now() - INTERVAL 1 HOUR")) == len(kept(lake)) - 1
    assert call(lake, "cleanup_old_files", "dry_run => true, older_than => now() - INTERVAL 1 HOUR")
    assert not call(lake, "expire_snapshots", "dry_run => true, older_than => now() - INTERVAL 1 DAY")
    assert not call(lake, "cleanup_old_files", "dry_run => true, older_than => now() - INTERVAL 1 DAY")


def test_replaced_files_stay_until_they_are_cleaned_up(lake, tmp_path):
    before = files(tmp_path)
    call(lake, "merge_adjacent_files")
    assert set(before) < set(files(tmp_path))
    assert len(scheduled(lake)) == len(before) - 1  # the one that was published over is of older snapshots
    call(lake, "cleanup_old_files", "cleanup_all => true")
    assert len(files(tmp_path)) == 2
    assert scheduled(lake) == []


def test_a_cleanup_that_was_interrupted_is_repeated(lake, tmp_path):
    call(lake, "merge_adjacent_files")
    (tmp_path / "data" / scheduled(lake)[0][0]).unlink()
    call(lake, "cleanup_old_files", "cleanup_all => true")
    assert scheduled(lake) == []
    assert lake.execute("SELECT count(DISTINCT day), sum(value) FROM lake.t").fetchone() == (6, 3500)


def test_orphans_are_parquet_files_of_a_certain_age_that_nothing_refers_to(lake, tmp_path):
    call(lake, "expire_snapshots", "versions => [0, 1, 2, 3, 4, 5]")
    call(lake, "merge_adjacent_files")
    for name, hours in (("main/t/old.parquet", 30), ("main/t/young.parquet", 1), ("main/t/old.txt", 30)):
        path = tmp_path / "data" / name
        path.write_text("x")
        os.utime(path, times=(time.time() - hours * 3600,) * 2)
    lake.begin()
    lake.execute("INSERT INTO lake.t SELECT 9, n, 9 FROM range(500) AS r(n)")
    with attach(tmp_path) as other:
        found = call(other, "delete_orphaned_files", "dry_run => true, older_than => now() - INTERVAL 24 HOUR")
    lake.rollback()
    assert [Path(name).name for (name,) in found] == ["old.parquet"]


def deletions_in_the_catalogue(connection):
    """Days of which single rows were deleted: so few that DuckLake notes them in the catalogue, where that is switched on."""
    connection.execute("CREATE TABLE lake.t (day BIGINT, n BIGINT, value BIGINT)")
    publish(connection, 1, 1, rows=20)
    publish(connection, 0, 1, rows=20)
    connection.execute("DELETE FROM lake.t WHERE day = 0 AND n = 5")
    publish(connection, 2, 1, rows=20)
    connection.execute("DELETE FROM lake.t WHERE day = 1 AND n = 1")
    return content(connection, kept(connection))


def compact(connection, *steps):
    for step in steps:
        call(connection, step, "delete_threshold => 0.0" if step == "rewrite_data_files" else "")


def test_flushed_first_older_snapshots_show_what_they_showed(tmp_path):
    with attach(tmp_path) as connection:
        before = deletions_in_the_catalogue(connection)
        compact(connection, "flush_inlined_data", "rewrite_data_files", "merge_adjacent_files")
        assert content(connection, before) == before


def test_without_inlining_nothing_is_in_the_catalogue(tmp_path):
    with attach(tmp_path, WITHOUT_INLINING) as connection:
        before = deletions_in_the_catalogue(connection)
        tables = f"SELECT count(*) FROM duckdb_tables() WHERE database_name = '{METADATA}' AND table_name LIKE '%inlined_delete%'"
        assert connection.execute(tables).fetchone() == (0,)
        compact(connection, "rewrite_data_files", "merge_adjacent_files", "flush_inlined_data")
        assert content(connection, before) == before


def test_an_option_of_a_schema_inlines_where_the_lake_does_not(tmp_path):
    with attach(tmp_path, WITHOUT_INLINING) as connection:
        connection.execute("CREATE SCHEMA lake.catalog")
        connection.execute("CALL lake.set_option('data_inlining_row_limit', 100, schema => 'catalog')")
        connection.execute("CREATE TABLE lake.catalog.own (n BIGINT)")
        connection.execute("CREATE TABLE lake.t (n BIGINT)")
    with attach(tmp_path, WITHOUT_INLINING) as connection:
        connection.execute("INSERT INTO lake.catalog.own VALUES (1)")
        connection.execute("INSERT INTO lake.t VALUES (1)")
        assert [
            Path(path).parent.name
            for (path,) in connection.execute("FROM glob($p)", {"p": f"{tmp_path}/data/**/*.parquet"}).fetchall()
        ] == ["t"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:400])], ids=["gone", "cut_short"])
def test_a_window_whose_file_cannot_be_read_cannot_be_deleted_and_counts_as_before(lake, tmp_path, damage):
    (name,) = lake.execute("SELECT DISTINCT filename FROM lake.t WHERE day = 4").fetchone()
    damage(Path(name))
    with attach(tmp_path, WITHOUT_INLINING) as other:  # the first one remembers what it has read
        with pytest.raises(duckdb.Error):
            other.execute("DELETE FROM lake.t WHERE day = 4")
        assert other.execute("SELECT count(*) FROM lake.t").fetchone() == (3000,)


def test_a_snapshot_written_into_the_catalogue_takes_a_file_out(lake):
    (name,) = lake.execute("SELECT DISTINCT filename FROM lake.t WHERE day = 4").fetchone()
    Path(name).unlink()
    newest = kept(lake)[-1]
    lake.begin()
    lake.execute(
        f"INSERT INTO {METADATA}.ducklake_snapshot SELECT snapshot_id + 1, now(), schema_version, next_catalog_id, next_file_id"
        f" FROM {METADATA}.ducklake_snapshot WHERE snapshot_id = {newest}"
    )
    lake.execute(
        f"INSERT INTO {METADATA}.ducklake_snapshot_changes VALUES ({newest} + 1, 'deleted_from_table:1', 'me', 'drop', NULL)"
    )
    lake.execute(f"UPDATE {METADATA}.ducklake_data_file SET end_snapshot = {newest} + 1 WHERE path = '{Path(name).name}'")
    lake.commit()
    assert kept(lake)[-1] == newest + 1
    assert lake.execute("SELECT count(*) FROM lake.t WHERE day = 4").fetchone() == (0,)
    publish(lake, 4, 7)
    call(lake, "merge_adjacent_files")
    assert lake.execute("SELECT sum(value) FROM lake.t").fetchone() == (4 * 500 + 500 * 2 + 500 * 7,)


def test_sorted_tables_are_written_and_merged_in_their_order(tmp_path):
    """The point-in-time join walks along the rows of a file as they come, if they come in order of time."""
    with attach(tmp_path, WITHOUT_INLINING) as connection:
        connection.execute("CREATE TABLE lake.t (day BIGINT, n BIGINT, value BIGINT)")
        connection.execute("ALTER TABLE lake.t SET SORTED BY (day, n)")
        for day in (3, 0, 2, 1):
            connection.execute(f"INSERT INTO lake.t SELECT {day}, 499 - n, 1 FROM range(500) AS r(n)")
        assert [order_of(connection, file) for (file,) in connection.execute(DATA_FILES).fetchall()] == [list(range(500))] * 4
        call(connection, "merge_adjacent_files", "'t'")
        ((merged,),) = connection.execute(DATA_FILES).fetchall()
        days = connection.execute("SELECT day FROM read_parquet($file)", {"file": merged}).fetchnumpy()["day"].tolist()
        assert days == sorted(days)
        assert order_of(connection, merged) == list(range(500)) * 4


DATA_FILES = "SELECT data_file FROM ducklake_list_files('lake', 't')"


def order_of(connection, file):
    return connection.execute("SELECT n FROM read_parquet($file)", {"file": file}).fetchnumpy()["n"].tolist()
