"""What we rely on of DuckDB and DuckLake. No code of ours is used, so that an upgrade that breaks a promise shows here."""

import duckdb
import pytest


def attach(folder, *options):
    connection = duckdb.connect(":memory:")
    for extension in ("ducklake", "sqlite"):
        connection.load_extension(extension)
    connection.execute("SET TimeZone = 'UTC'")
    given = ", ".join([f"DATA_PATH '{folder}/data'", "OVERRIDE_DATA_PATH true", *(options or ["META_JOURNAL_MODE 'WAL'"])])
    connection.execute(f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake ({given})")
    return connection


@pytest.fixture
def lake(tmp_path):
    """A table with 20 rows in each of two days, written by two commits, so that each day has a file of its own."""
    with attach(tmp_path) as connection:
        connection.execute("CREATE TABLE lake.t (n BIGINT, moment TIMESTAMPTZ)")
        for first in (0, 100):
            connection.execute(
                f"INSERT INTO lake.t SELECT n, TIMESTAMPTZ '2024-01-01' + to_days(n // 100) + to_minutes(n % 100)"
                f" FROM range({first}, {first + 20}) AS r(n)"
            )
        yield connection


def one(connection, query):
    return connection.execute(query).fetchone()[0]


def newest(connection):
    return one(connection, "SELECT id FROM lake.current_snapshot()")


def test_a_range_predicate_on_the_time_finds_the_rows_of_a_day_after_several_commits(lake):
    day = "moment >= TIMESTAMPTZ '2024-01-02' AND moment < TIMESTAMPTZ '2024-01-03'"
    lake.execute(f"DELETE FROM lake.t WHERE {day} AND n % 2 = 0")
    lake.execute("INSERT INTO lake.t VALUES (7, TIMESTAMPTZ '2024-01-02 23:59:59.999999'), (8, TIMESTAMPTZ '2024-01-03')")
    found = {n for (n,) in lake.execute(f"SELECT n FROM lake.t WHERE {day}").fetchall()}
    assert found == {7, *range(101, 120, 2)}


def test_time_travel_by_snapshot_version(lake, tmp_path):
    before = newest(lake)
    lake.execute("DELETE FROM lake.t")
    assert one(lake, "SELECT count(*) FROM lake.t") == 0
    with attach(tmp_path, f"SNAPSHOT_VERSION {before}", "READ_ONLY") as then:
        assert one(then, "SELECT count(*) FROM lake.t") == 40
        assert newest(then) == before
        with pytest.raises(duckdb.InvalidInputException):
            then.execute("INSERT INTO lake.t VALUES (1, now())")


def test_an_unknown_snapshot_is_refused(lake, tmp_path):
    with pytest.raises(duckdb.InvalidInputException, match="No snapshot found at version 999"):
        attach(tmp_path, "SNAPSHOT_VERSION 999", "READ_ONLY")


def test_a_rollback_leaves_nothing_visible(lake, tmp_path):
    before = newest(lake)
    lake.begin()
    lake.execute("DELETE FROM lake.t")
    lake.execute("CREATE TABLE lake.other (n BIGINT)")
    lake.execute("ALTER TABLE lake.t ADD COLUMN extra BIGINT")
    lake.rollback()
    with attach(tmp_path) as other:
        assert newest(other) == before
        assert other.execute("SELECT * FROM lake.t").fetchall() == lake.execute("SELECT * FROM lake.t").fetchall()
        assert other.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall() == [("t",)]


def test_a_transaction_is_seen_by_nobody_before_its_commit(lake, tmp_path):
    lake.begin()
    lake.execute("DELETE FROM lake.t")
    with attach(tmp_path) as other:
        assert one(other, "SELECT count(*) FROM lake.t") == 40
    lake.commit()


def test_a_reader_that_has_not_fetched_its_last_row_stops_no_commit(lake, tmp_path):
    lake.execute("SELECT n FROM lake.t").fetchone()
    with attach(tmp_path) as other:
        other.execute("DELETE FROM lake.t WHERE n = 1")
        other.begin()
        assert one(other, "SELECT count(*) FROM lake.t") == 39
        lake.execute("DELETE FROM lake.t WHERE n = 2")
        assert one(other, "SELECT count(*) FROM lake.t") == 39
        other.rollback()


def test_the_commit_message_is_stored_with_its_extra_information(lake):
    lake.begin()
    lake.execute("DELETE FROM lake.t WHERE n = 0")
    lake.execute("CALL lake.set_commit_message('me', 'it''s done', extra_info => '{\"rows\": 1}')")
    lake.commit()
    found = lake.execute("SELECT author, commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1")
    assert found.fetchone() == ("me", "it's done", '{"rows": 1}')


def test_a_commit_that_changes_nothing_makes_no_snapshot_but_a_repeated_comment_does(lake):
    lake.execute("COMMENT ON TABLE lake.t IS 'same'")
    before = newest(lake)
    for statement, made in (("DELETE FROM lake.t WHERE n = -1", 0), ("COMMENT ON TABLE lake.t IS 'same'", 1)):
        lake.begin()
        lake.execute(statement)
        lake.execute("CALL lake.set_commit_message('me', 'nothing')")
        lake.commit()
        assert newest(lake) == before + made


def test_the_last_committed_snapshot_is_that_of_this_connection(lake, tmp_path):
    lake.execute("DELETE FROM lake.t WHERE n = 0")
    own = newest(lake)
    with attach(tmp_path) as other:
        other.execute("DELETE FROM lake.t WHERE n = 1")
    assert one(lake, "SELECT id FROM lake.last_committed_snapshot()") == own
    assert newest(lake) == own + 1


def test_delete_and_insert_tell_their_rows(lake):
    assert lake.execute("DELETE FROM lake.t WHERE n < 3").fetchone() == (3,)
    assert lake.execute("INSERT INTO lake.t VALUES (1, now()), (2, now())").fetchone() == (2,)


def test_insert_by_name_ignores_the_order_of_columns(lake):
    lake.execute("INSERT INTO lake.t BY NAME SELECT TIMESTAMPTZ '2025-01-01' AS moment, 77 AS n")
    assert one(lake, "SELECT n FROM lake.t WHERE moment >= TIMESTAMPTZ '2025-01-01'") == 77


def test_a_moved_lake_is_read_from_where_it_lies(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with attach(here) as connection:
        connection.execute("CREATE TABLE lake.t AS SELECT n FROM range(1000) AS r(n)")
    here.rename(there)
    with attach(there) as connection:
        assert one(connection, "SELECT sum(n) FROM lake.t") == 499_500


def test_filtering_a_temporary_table_keeps_its_order():
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT n FROM range(500_000) AS r(n) ORDER BY hash(n)")
        everything = [n for (n,) in connection.execute("SELECT n FROM t").fetchall()]
        some = [n for (n,) in connection.execute("SELECT n FROM t WHERE n % 3 = 0").fetchall()]
        assert everything != sorted(everything)
        assert some == [n for n in everything if n % 3 == 0]


def test_row_number_over_nothing_follows_the_order_of_the_input():
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT n FROM range(300_000) AS r(n) ORDER BY hash(n)")
        wrong = "SELECT count(*) FROM (SELECT rowid + 1 AS place, row_number() OVER () AS n FROM t) WHERE place <> n"
        assert one(connection, wrong) == 0


def test_an_asof_join_is_inclusive_and_passes_over_nulls():
    with duckdb.connect(":memory:") as connection:
        query = """
        SELECT s.t, g.v FROM (VALUES (1), (2), (3), (NULL)) AS s(t)
        ASOF LEFT JOIN (VALUES (2, 'two'), (5, 'five')) AS g(t, v) ON s.t >= g.t ORDER BY s.t NULLS LAST"""
        assert connection.execute(query).fetchall() == [(1, None), (2, "two"), (3, "two"), (None, None)]
