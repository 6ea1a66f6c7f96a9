"""Publishing: by window, atomically, checked before it is visible."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fti_assets.feature_store import DRAFT, FeatureStore, PublishError
from fti_assets.vocabulary import Column, StagedTable
from fti_assets_tests.feature_store.examples import (
    ARROW,
    DAY,
    DAYS,
    HOUR,
    PROMISE,
    T0,
    YEAR,
    day,
    make_group,
    read_all,
    rows_of,
)

# pyarrow 21 and pandas 3.1: `Table.from_pandas` reads times in a way that pandas will change
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

WEATHER = make_group()
PROFILE = make_group("profile", ("seats",), static=True)
READINGS = StagedTable(
    name="readings",
    columns=(Column("at", "timestamp"), Column("value", "float")),
    key=(),
    time="at",
    cadence=DAYS,
    contract=PROMISE,
)
NEXT = T0 + DAY


def published(store, table):
    return [row[0::2] for row in read_all(store, table)]


def test_a_range_is_published_and_then_one_day_of_it_is_replaced(store):
    rows = rows_of(WEATHER, *(("a", T0 + n * DAY, float(n)) for n in range(4)))
    first = store.publish(WEATHER, rows, YEAR, run="r1")
    second = store.publish(WEATHER, rows_of(WEATHER, ("a", NEXT, 10.0), ("b", NEXT, 11.0)), day("2024-01-11"), run="r2")
    assert (first.rows, first.replaced, second.rows, second.replaced) == (4, 0, 2, 1)
    assert second.snapshot > first.snapshot
    assert published(store, WEATHER.table) == [("a", 0.0), ("a", 10.0), ("a", 2.0), ("a", 3.0), ("b", 11.0)]
    with store.reading(first.snapshot) as connection:
        assert sorted(row[2] for row in store.read(connection, WEATHER.table).fetchall()) == [0.0, 1.0, 2.0, 3.0]


def test_publishing_twice_is_publishing_once(store):
    rows = rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 2.0))
    store.publish(WEATHER, rows, day("2024-01-10"))
    again = store.publish(WEATHER, rows, day("2024-01-10"))
    assert (again.rows, again.replaced) == (2, 2)
    assert published(store, WEATHER.table) == [("a", 1.0), ("b", 2.0)]


def test_rows_outside_the_window_belong_to_other_days_and_are_dropped(store):
    window = day("2024-01-10")
    store.publish(WEATHER, rows_of(WEATHER, ("a", NEXT, 5.0)), day("2024-01-11"))
    rows = rows_of(WEATHER, ("a", window.start, 1.0), ("a", window.end, 9.0), ("a", window.start - HOUR, 9.0))
    assert store.publish(WEATHER, rows, window).rows == 1
    assert published(store, WEATHER.table) == [("a", 1.0), ("a", 5.0)]


def test_a_table_without_time_is_replaced_as_a_whole(store):
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0), ("b", 2.0)))
    assert store.publish(PROFILE, rows_of(PROFILE, ("c", 3.0))).replaced == 2
    assert read_all(store, PROFILE.table) == [("c", 3.0)]


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda rows: rows, id="pyarrow"),
        pytest.param(lambda rows: rows.to_pandas(), id="pandas"),
        pytest.param(
            lambda rows: rows.to_pandas().astype({"station": "category", "at": "datetime64[ns, UTC]"}), id="pandas_categorical"
        ),
        pytest.param(pl.from_arrow, id="polars"),
        pytest.param(lambda rows: rows.select(["temp", "at", "station"]), id="reordered_columns"),
        pytest.param(lambda rows: rows.set_column(2, "temp", pa.array([1, None], pa.int32())), id="integers_for_a_float"),
        pytest.param(lambda rows: rows.set_column(1, "at", pa.array([T0.replace(tzinfo=None)] * 2)), id="naive_times_are_utc"),
    ],
)
def test_rows_of_any_frame(store, convert):
    store.publish(WEATHER, convert(rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, None))), YEAR)
    assert read_all(store, WEATHER.table) == [("a", T0, 1.0), ("b", T0, None)]


def test_rows_of_a_relation_of_this_or_another_connection(store):
    query = f"SELECT 1.5::DECIMAL(3, 1) AS temp, TIMESTAMPTZ '{T0.isoformat()}' AS at, 'a' AS station"
    with store.connect() as connection:
        store.publish(WEATHER, connection.sql(query), YEAR)
        store.draft(connection, WEATHER.table, connection.sql(query), YEAR)
        assert store.publish_draft(connection, WEATHER, YEAR).replaced == 1
    assert read_all(store, WEATHER.table) == [("a", T0, 1.5)]


def test_pandas_missing_values_are_nulls(store):
    store.publish(WEATHER, pd.DataFrame({"station": ["a"], "at": [T0], "temp": [float("nan")]}), YEAR)
    assert read_all(store, WEATHER.table) == [("a", T0, None)]


@pytest.mark.parametrize(
    ("rows", "window", "message"),
    [
        pytest.param(
            pa.table({"station": ["a"], "wind": [1.0]}),
            YEAR,
            r"do not fit 'features\.weather_v1': 'at' is missing; 'temp' is missing; 'wind' is not a column of the table\."
            r" The table has:"
            r" station VARCHAR, at TIMESTAMP WITH TIME ZONE, temp DOUBLE",
            id="missing_and_unexpected_columns",
        ),
        pytest.param(
            pa.table({"station": ["a"], "at": [T0], "temp": ["warm"]}),
            YEAR,
            "'temp' is VARCHAR where DOUBLE is promised",
            id="type",
        ),
        pytest.param(rows_of(WEATHER, (None, T0, 1.0)), YEAR, "no key or time: null 'station' in 1 rows", id="null_key"),
        pytest.param(rows_of(WEATHER, ("a", None, 1.0)), YEAR, "no key or time: null 'at' in 1 rows", id="null_time"),
        pytest.param(
            rows_of(WEATHER, ("a", T0, 1.0), ("a", T0, 2.0)),
            YEAR,
            r"repeat the key \(station, at\): \(a, 2024-01-10 12:00:00\+00:00\) 2 times",
            id="repeated_key",
        ),
        pytest.param(rows_of(WEATHER), None, "is published by window of 'at', but no window was given", id="no_window"),
        pytest.param([1, 2], YEAR, "Rows of type 'list' cannot be published", id="not_rows"),
    ],
)
def test_rows_that_do_not_fit_change_nothing(store, rows, window, message):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    with pytest.raises(PublishError, match=message):
        store.publish(WEATHER, rows, window)
    assert published(store, WEATHER.table) == [("a", 1.0)]


def test_a_window_for_a_table_without_time_is_refused(store):
    with pytest.raises(PublishError, match="has no time and is published as a whole, but the window"):
        store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)), YEAR)


def test_a_draft_takes_the_place_of_nothing_else(store):
    with store.connect() as connection:
        with pytest.raises(PublishError, match="there is none"):
            store.publish_draft(connection, WEATHER, YEAR)
        assert store.draft(connection, WEATHER.table, rows_of(WEATHER, ("a", T0, 1.0)), day("2024-01-10")) == 1
        assert connection.execute(f"SELECT count(*) FROM {DRAFT}").fetchone() == (1,)
        with pytest.raises(
            PublishError, match=r"is not one of 'features\.weather_v1 2024-01-01.*: it is one of 'features\.weather_v1 2024-01-10"
        ):
            store.publish_draft(connection, WEATHER, YEAR)
        assert not store.exists(connection, WEATHER.table)


def test_an_added_column_is_null_in_what_was_published_before(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), day("2024-01-10"))
    grown = make_group(features=("temp", "wind"))
    store.publish(grown, rows_of(grown, ("a", NEXT, 2.0, 3.0)), day("2024-01-11"))
    assert read_all(store, grown.table) == [("a", T0, 1.0, None), ("a", NEXT, 2.0, 3.0)]
    assert store.table("features", "weather_v1").description["features"] == ["temp", "wind"]


def test_rows_appended_to_a_history_are_kept(store):
    row = pa.table({"at": [T0], "value": [1.0]})
    with store.connect() as connection:
        for _ in range(2):
            store.append(connection, READINGS.table, row, description="A history.", run="r")
    assert read_all(store, READINGS.table) == [(T0, 1.0), (T0, 1.0)]
    told = store.table("staging", "readings").description
    assert (told["description"], [column["name"] for column in told["columns"]]) == ("A history.", ["at", "value"])


def test_rows_of_a_group_replace_each_other_and_are_not_appended(store):
    with store.connect() as connection, pytest.raises(PublishError, match="replace each other and cannot be appended"):
        store.append(connection, PROFILE.table, rows_of(PROFILE, ("a", 1.0)), description="", run="r")


@pytest.mark.parametrize(
    ("target", "window"),
    [
        pytest.param(WEATHER, YEAR, id="by_window"),
        pytest.param(PROFILE, None, id="as_a_whole"),
        pytest.param(READINGS, YEAR, id="staged"),
    ],
)
def test_emptiness_is_published_only_when_it_is_meant(store, target, window):
    columns = target.table.columns
    rows = pa.table({c.name: pa.array([], ARROW[c.type]) for c in columns})
    with pytest.raises(
        PublishError, match=rf"There are no rows of '{target.table}'.*State may_be_empty=True if emptiness is meant"
    ):
        store.publish(target, rows, window)
    assert store.tables() == []
    published = store.publish(target, rows, window, may_be_empty=True)
    assert (published.rows, published.replaced) == (0, 0)
    assert [str(info) for info in store.tables()] == [str(target.table)]


def test_emptiness_that_is_meant_takes_the_place_of_rows(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    assert store.publish(WEATHER, rows_of(WEATHER), YEAR, may_be_empty=True).replaced == 1
    assert read_all(store, WEATHER.table) == []


def test_a_draft_that_failed_leaves_none_to_publish(store):
    with store.connect() as connection:
        store.draft(connection, WEATHER.table, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
        with pytest.raises(PublishError, match="repeat the key"):
            store.draft(connection, WEATHER.table, rows_of(WEATHER, ("a", T0, 1.0), ("a", T0, 2.0)), YEAR)
        with pytest.raises(PublishError, match="there is none"):
            store.publish_draft(connection, WEATHER, YEAR)


def test_reading_by_window(store):
    store.publish(WEATHER, rows_of(WEATHER, *(("a", T0 + n * DAY, float(n)) for n in range(4))), YEAR)
    assert [row[2] for row in read_all(store, WEATHER.table, day("2024-01-11"))] == [1.0]


def test_an_unpublished_table_reads_as_an_empty_one_with_its_types(store):
    with store.connect() as connection:
        relation = store.read(connection, WEATHER.table, YEAR)
        assert relation.columns == ["station", "at", "temp"]
        assert [str(kind) for kind in relation.types] == ["VARCHAR", "TIMESTAMP WITH TIME ZONE", "DOUBLE"]
        assert relation.fetchall() == []


def test_a_moved_store_is_read_from_where_it_lies(tmp_path):
    (tmp_path / "here").mkdir()
    FeatureStore(tmp_path / "here").publish(WEATHER, rows_of(WEATHER, *(("a", T0 + n * HOUR, 1.0) for n in range(100))), YEAR)
    (tmp_path / "here").rename(tmp_path / "there")
    store = FeatureStore(tmp_path / "there")
    assert len(read_all(store, WEATHER.table)) == 100
    with store.reading() as connection:
        assert len(store.read(connection, WEATHER.table).fetchall()) == 100


def test_few_rows_go_to_a_file_too_in_order_of_time(store):
    """Rows kept in the catalogue instead came back in old snapshots after maintenance."""
    later = ("a", T0 + HOUR, 1.0)
    store.publish(WEATHER, rows_of(WEATHER, later, ("b", T0, 2.0)), day("2024-01-10"))
    store.upsert(WEATHER, rows_of(WEATHER, ("c", T0 - HOUR, 3.0), ("b", T0, 4.0)))
    with store.connect() as connection:
        files = connection.execute(
            "SELECT data_file FROM ducklake_list_files('lake', 'weather_v1', schema => 'features')"
        ).fetchall()
        stored = [connection.execute('SELECT "at" FROM read_parquet(?)', list(file)).fetchnumpy()["at"] for file in files]
        inlined = connection.execute(INLINED).fetchall()
    assert sorted(map(len, stored)) == [2, 2]
    assert all(list(times) == sorted(times) for times in stored)
    assert inlined == []


INLINED = """
-- tables of the catalogue that may hold rows of a feature group
SELECT i.table_name FROM __ducklake_metadata_lake.ducklake_inlined_data_tables AS i
JOIN __ducklake_metadata_lake.ducklake_table AS t USING (table_id) WHERE t.table_name = 'weather_v1'
"""
