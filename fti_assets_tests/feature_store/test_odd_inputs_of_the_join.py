"""Inputs on which a join could stumble: keys that hash badly, rows in no order, new columns, zones, pieces."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fti_assets.errors import FtiError
from fti_assets.feature_store.point_in_time.key_codes import KeyCodes
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.feature_store.point_in_time.table_scan import TableScan
from fti_assets.vocabulary import Feature, aggregate
from fti_assets_tests.feature_store.examples import ARROW, DAY, HOUR, T0, day, make_group, rows_of

WEATHER = make_group()
COUNTED = make_group("counted", (Feature("rides", "int"), Feature("seen_at", "timestamp")))


def spine_of(*rows):
    names = {"station": pa.string(), "asked_at": ARROW["timestamp"]}
    return pa.table({name: pa.array([row[n] for row in rows], kind) for n, (name, kind) in enumerate(names.items())})


@pytest.fixture
def out_of_order(store):
    """A group whose files overlap in time, so that its rows are in no order."""
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0 + 2 * HOUR, 2.0)), day("2024-01-10"))
    store.upsert(WEATHER, rows_of(WEATHER, ("c", T0 + HOUR, 3.0)))
    return store


@pytest.mark.parametrize("rows", [[], [(None, T0)], [("a", None)]], ids=["no_rows", "no_key", "no_time"])
def test_spines_without_any_question_on_rows_in_no_order(out_of_order, rows):
    assert out_of_order.get_features([WEATHER["temp"]], spine_of(*rows), at="asked_at").to_arrow()["temp"].to_pylist() == [
        None
    ] * len(rows)


def test_rows_in_no_order_are_found(out_of_order):
    spine = spine_of(("a", T0 + DAY), ("b", T0 + HOUR), ("c", T0 + DAY))
    assert out_of_order.get_features([WEATHER["temp"]], spine, at="asked_at").to_arrow()["temp"].to_pylist() == [1.0, None, 3.0]


def test_a_column_newer_than_what_was_superseded_is_known_as_null(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), day("2024-01-10"))
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 2.0)), day("2024-01-10")).published_at
    wider = make_group(features=("temp", "wind"))
    store.publish(wider, rows_of(wider, ("b", T0 + DAY, 5.0, 6.0)), day("2024-01-11"))
    chosen = [wider["wind"], wider.windowed(aggregate.mean("wind", last=timedelta(days=7)))]
    known = first - timedelta(microseconds=1)
    found = store.get_features(chosen, spine_of(("a", T0 + HOUR), ("b", T0 + 2 * DAY)), at="asked_at", known_at=known).to_arrow()
    assert found["wind"].to_pylist() == [None, None]
    with store.connect() as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE lake.superseded.weather_v1").fetchall()]
    assert "wind" in columns


def test_aggregates_have_the_types_that_they_promise_whatever_the_zone_of_the_machine(store, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    store.publish(COUNTED, rows_of(COUNTED, ("a", T0, 2, T0), ("a", T0 + HOUR, 3, T0 + HOUR)), day("2024-01-10"))
    week = timedelta(days=7)
    chosen = COUNTED.windowed(aggregate.sum("rides", last=week), aggregate.count(last=week), aggregate.last("seen_at", last=week))
    found = store.get_features([chosen], spine_of(("a", T0 + DAY)), at="asked_at").to_arrow()
    row = found.drop_columns(["station", "asked_at"]).to_pylist()[0]
    assert list(row.values()) == [5, 2, T0 + HOUR]
    assert found.schema.types[2:] == [pa.int64(), pa.int64(), ARROW["timestamp"]]


def test_pieces_of_a_pandas_spine_have_one_type(tmp_path):
    frame = pd.DataFrame({"note": [None, None, "x", "y"], "asked_at": pd.to_datetime(["2024-01-01"] * 4, utc=True)})
    pieces = list(Spine.of(frame.astype({"note": object})).chunks(2))
    assert [piece.rows for piece in pieces] == [2, 2]
    assert pa.concat_tables([piece.arrow() for piece in pieces])["note"].to_pylist() == [None, None, "x", "y"]


def test_pieces_of_a_file_are_whole_row_groups_or_less(tmp_path):
    table = pa.table({"n": np.arange(10)})
    for group_size, size, expected in ((3, 7, [6, 4]), (3, 3, [3, 3, 3, 1]), (10, 4, [4, 4, 2])):
        pa.parquet.write_table(table, tmp_path / "spine.parquet", row_group_size=group_size)
        pieces = list(Spine.of(tmp_path / "spine.parquet").chunks(size))
        assert [piece.rows for piece in pieces] == expected
        assert pa.concat_tables([piece.arrow() for piece in pieces])["n"].to_pylist() == list(range(10))


@pytest.mark.parametrize("step", [1, 1 << 40, -(1 << 48), (1 << 62) - 1], ids=["dense", "high_bits", "negative", "large"])
def test_whole_numbers_of_any_pattern_are_told_apart(step):
    values = (np.arange(20_000, dtype=np.int64) * np.int64(step)) if abs(step) < 1 << 50 else np.array([0, step, -step, 1 - step])
    numbering, codes = KeyCodes.of([pa.array(np.concatenate([values, values]))])
    assert len(numbering) == len(np.unique(values))
    assert codes[: len(values)].tolist() == codes[len(values) :].tolist() == list(range(len(values)))


def test_a_table_that_changes_while_it_is_read_is_an_error(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 2.0)), day("2024-01-10"))
    types = {column.name: column.type for column in WEATHER.table.columns}
    with store.connect() as connection:
        scan = TableScan.of(connection, ("features", "weather_v1"), types, "at")
        through_duckdb = [part.__class__(part.file, None, part.rows, part.first, part.last) for part in scan.parts]
        scan = scan.__class__(scan.connection, scan.schema, scan.name, scan.types, tuple(through_duckdb))
        assert sum(len(frame) for _, frame in scan.batches(["temp"])) == 2
        store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.5)), day("2024-01-10"))
        with pytest.raises(FtiError, match=r"'features.weather_v1' changed while it was read: 2 rows less"):
            list(scan.batches(["temp"]))
