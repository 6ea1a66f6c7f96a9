"""What publishing relies on of DuckDB and DuckLake. No code of ours is used: an upgrade that breaks a promise shows here."""

import duckdb
import pytest

from fti_assets_tests.feature_store.test_ducklake_assumptions import attach, one


@pytest.fixture
def lake(tmp_path):
    """A table of 100 rows in a file."""
    with attach(tmp_path) as connection:
        connection.execute("CREATE TABLE lake.t AS SELECT n, n::DOUBLE AS x FROM range(100) AS r(n)")
        yield connection


def files(connection, table):
    return one(connection, f"SELECT count(*) FROM ducklake_list_files('lake', '{table}', schema => 'c')")


def test_small_inserts_of_a_schema_go_into_the_catalogue_and_outlive_snapshots(lake):
    lake.execute("CREATE SCHEMA lake.c")
    lake.execute("CALL lake.set_option('data_inlining_row_limit', 50, schema => 'c')")
    lake.execute("CREATE TABLE lake.c.notes (word VARCHAR, x DOUBLE)")
    words = ["it's", "a\0b", '"', "é", None]
    for word in words:
        lake.execute("INSERT INTO lake.c.notes VALUES (?, ?)", [word, -0.0])
    lake.execute("INSERT INTO lake.c.notes SELECT 'x', 1 FROM range(40)")
    assert files(lake, "notes") == 0
    lake.execute("CALL ducklake_expire_snapshots('lake', older_than => now())")
    assert one(lake, "SELECT count(*) FROM lake.snapshots()") == 1
    found = lake.execute("SELECT word, signbit(x) FROM lake.c.notes WHERE word IS DISTINCT FROM 'x'").fetchall()
    assert found == [(word, True) for word in words]
    lake.execute("INSERT INTO lake.c.notes SELECT 'x', 1 FROM range(60)")
    assert files(lake, "notes") == 1


def test_an_option_of_a_schema_is_not_set_in_the_transaction_that_makes_the_schema(lake):
    lake.begin()
    lake.execute("CREATE SCHEMA lake.c")
    with pytest.raises(duckdb.NotImplementedException, match="transaction-local"):
        lake.execute("CALL lake.set_option('data_inlining_row_limit', 50, schema => 'c')")
    lake.rollback()


def test_a_table_that_is_not_there_is_told_without_harm_to_the_transaction(lake):
    lake.begin()
    for name in ("lake.main.nothing", "lake.nowhere.nothing"):
        with pytest.raises(duckdb.CatalogException):
            lake.execute(f"DESCRIBE {name}")
    lake.execute("DELETE FROM lake.t WHERE n = 1")
    lake.commit()
    assert one(lake, "SELECT count(*) FROM lake.t") == 99


def test_rows_are_deleted_by_their_rowid_in_files_and_in_the_catalogue(lake):
    lake.execute("INSERT INTO lake.t VALUES (1000, 1), (1001, 1)")  # so few that they get no file
    lake.execute("CREATE TEMP TABLE gone AS SELECT rowid AS r FROM lake.t WHERE n IN (3, 50, 1000)")
    lake.begin()
    assert lake.execute("DELETE FROM lake.t WHERE rowid IN (SELECT r FROM gone)").fetchone() == (3,)
    lake.commit()
    assert one(lake, "SELECT count(*) FROM lake.t") == 99
    assert one(lake, "SELECT count(*) FROM lake.t WHERE n IN (3, 50, 1000)") == 0
    assert one(lake, "SELECT count(DISTINCT rowid) FROM lake.t") == 99


def test_a_column_is_added_with_a_value_for_the_rows_that_are_there(lake):
    lake.begin()
    lake.execute("ALTER TABLE lake.t ADD COLUMN _at TIMESTAMPTZ DEFAULT '2024-05-05T00:00:00.000001+00:00'")
    lake.execute("ALTER TABLE lake.t ALTER COLUMN _at DROP DEFAULT")
    lake.execute("INSERT INTO lake.t (n) VALUES (1000)")
    lake.commit()
    assert one(lake, "SELECT count(*) FROM lake.t WHERE _at = TIMESTAMPTZ '2024-05-05 00:00:00.000001+00'") == 100
    assert lake.execute("SELECT _at FROM lake.t WHERE n = 1000").fetchone() == (None,)


def test_the_snapshot_of_a_transaction_is_the_next_one(lake):
    lake.begin()
    before = one(lake, "SELECT id FROM lake.current_snapshot()")
    lake.execute("DELETE FROM lake.t WHERE n = 1")
    lake.execute("INSERT INTO lake.t VALUES (1, 2)")
    assert one(lake, "SELECT id FROM lake.current_snapshot()") == before
    lake.commit()
    assert one(lake, "SELECT id FROM lake.current_snapshot()") == before + 1


def test_what_is_the_same_in_the_eyes_of_the_engine():
    with duckdb.connect(":memory:") as connection:
        same = "SELECT {} IS NOT DISTINCT FROM {}"
        assert one(connection, same.format("'nan'::DOUBLE", "'nan'::DOUBLE"))
        assert one(connection, same.format("NULL::DOUBLE", "NULL::DOUBLE"))
        assert one(connection, same.format("0.0::DOUBLE", "'-0.0'::DOUBLE"))  # which is why signs are compared too
        assert not one(connection, "SELECT signbit(0.0::DOUBLE) = signbit('-0.0'::DOUBLE)")
