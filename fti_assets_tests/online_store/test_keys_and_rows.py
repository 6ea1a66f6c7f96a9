"""Keys and rows as bytes: nothing is lost, keys are in order, and what is encoded in bulk is what is encoded one by one."""

import math
import struct
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti_assets.online_store import bulk
from fti_assets.online_store.keys import KeyCodec, day, days, instant, microseconds
from fti_assets.online_store.row_reading import MANY, RowReader
from fti_assets.online_store.rows import NO_TIME, Layout, times
from fti_assets.vocabulary import Column

CALMLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MIN, MAX = -(2**63), 2**63 - 1
VALUES = {
    "int": st.integers(MIN, MAX),
    "string": st.text(max_size=8) | st.text(alphabet="\x00\x01a\xff\u0100", max_size=4),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "bool": st.booleans(),
    "float": st.floats(allow_nan=False),
}
KINDS = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4)


def columns(kinds):
    return [Column(f"c{n}", kind) for n, kind in enumerate(kinds)]


def plain(value):
    """A value as it is read: times are microseconds."""
    return microseconds(value) if isinstance(value, datetime) else value


@st.composite
def two_keys(draw):
    kinds = draw(KINDS)
    one, other = (tuple(draw(VALUES[kind]) for kind in kinds) for _ in range(2))
    same = draw(st.integers(0, len(kinds)))
    return kinds, one, (*one[:same], *other[same:])


@CALMLY
@given(two_keys())
def test_keys_differ_as_their_values_do_and_are_in_their_order(given_keys):
    kinds, one, other = given_keys
    codec = KeyCodec(columns(kinds))
    first, second = codec.encode(one), codec.encode(other)
    assert (first == second) == (one == other)
    assert (first < second) == (one < other)
    assert one == other or not second.startswith(first)
    assert codec.decode(first) == tuple(map(plain, one))


@CALMLY
@given(st.data(), KINDS)
def test_keys_in_bulk_are_those_encoded_one_by_one(data, kinds):
    codec = KeyCodec(columns(kinds))
    rows = data.draw(st.lists(st.tuples(*(VALUES[kind] for kind in kinds)), max_size=6))
    arrays = [pa.array([row[n] for row in rows], bulk.ARROW_TYPES[kind]) for n, kind in enumerate(kinds)]
    keys = bulk.encoded_keys(codec.columns, arrays)
    assert bulk.as_bytes(keys) == [codec.encode(row) for row in rows]
    zeros = np.zeros(len(rows), np.int64)
    order = bulk.newest_in_order(keys, zeros, zeros)
    assert [bulk.as_bytes(keys)[n] for n in order] == sorted(set(bulk.as_bytes(keys)))


def test_a_key_with_a_null_or_a_number_beyond_64_bits_is_the_key_of_nothing():
    assert KeyCodec(columns(["int"])).encode((None,)) is None
    assert KeyCodec(columns(["int", "string"])).encode((1, None)) is None
    assert KeyCodec(columns(["int"])).encode((MAX + 1,)) is None
    assert KeyCodec(columns(["string", "int"])).encode(("a", MIN - 1)) is None


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        pytest.param("float", 0.0, -0.0, id="zeros_are_equal"),
        pytest.param("timestamp", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1), id="naive_is_utc"),  # noqa: DTZ001
        pytest.param(
            "timestamp", datetime(2024, 1, 1, tzinfo=UTC), microseconds(datetime(2024, 1, 1, tzinfo=UTC)), id="microseconds"
        ),
        pytest.param("date", date(2024, 1, 1), days(date(2024, 1, 1)), id="days"),
    ],
)
def test_what_is_equal_has_one_key(kind, one, other):
    codec = KeyCodec(columns([kind]))
    assert codec.encode((one,)) == codec.encode((other,))


@CALMLY
@given(VALUES["timestamp"], VALUES["date"])
def test_times_and_days_come_back(time, some_day):
    assert instant(microseconds(time)) == time
    assert day(days(some_day)) == some_day


@CALMLY
@given(
    st.lists(
        st.tuples(st.sampled_from([b"a", b"bb", b"abcdefgh", b"abcdefghi"]), st.integers(0, 3), st.integers(0, 3)), max_size=12
    )
)
def test_of_each_key_the_newest_row_is_taken(rows):
    keys = pa.array([key + b"\x00\x00" for key, _, _ in rows], pa.large_binary())
    events, published = (np.array([row[n] for row in rows], np.int64) for n in (1, 2))
    found = [rows[n] for n in bulk.newest_in_order(keys, events, published)]
    assert found == [max(row for row in rows if row[0] == key) for key in sorted({row[0] for row in rows})]


ANY = {kind: st.none() | (st.floats() if kind == "float" else values) for kind, values in VALUES.items()}


@st.composite
def some_rows(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(ANY)), max_size=6)) * draw(st.sampled_from([1, 1, 13]))
    rows = draw(st.lists(st.tuples(*(ANY[kind] for kind in kinds)), min_size=1, max_size=5))
    return kinds, rows, draw(st.integers(MIN, MAX)), draw(st.integers(MIN, MAX)), draw(st.integers(1, 65535))


def same(one, other):
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return one == other and type(one) is type(other)


@CALMLY
@given(some_rows())
def test_rows_come_back_as_they_were_and_alike_in_bulk(drawn):
    kinds, rows, event, published, version = drawn
    layout = Layout(version, tuple(columns(kinds)))
    one_by_one = [layout.encode(row, event, published) for row in rows]
    read = RowReader(layout, [column.name for column in layout.columns]).read
    for row, data in zip(rows, one_by_one, strict=True):
        found_event, values = read(data)
        assert found_event == event
        assert times(data) == (event, published)
        assert data.startswith(layout.mark)
        assert all(same(found, plain(value)) for found, value in zip(values, row, strict=True))
    arrays = [pa.array([row[n] for row in rows], bulk.ARROW_TYPES[kind]) for n, kind in enumerate(kinds)]
    events, publications = (np.full(len(rows), value, np.int64) for value in (event, published))
    assert [row for some in bulk.encoded_rows(layout, arrays, events, publications) for row in some] == one_by_one


@CALMLY
@given(st.data(), some_rows())
def test_some_values_of_a_row_are_those_of_the_whole(data, drawn):
    kinds, rows, event, published, version = drawn
    layout = Layout(version, tuple(columns(kinds)))
    names = data.draw(st.permutations([*(column.name for column in layout.columns), "of_a_later_layout"]))
    chosen = names[: data.draw(st.integers(0, len(names)))]
    _, whole = RowReader(layout, [column.name for column in layout.columns]).read(layout.encode(rows[0], event, published))
    by_name = dict(zip([column.name for column in layout.columns], whole, strict=True))
    _, values = RowReader(layout, chosen).read(layout.encode(rows[0], event, published))
    assert len(values) == len(chosen)
    assert all(same(value, by_name.get(name)) for name, value in zip(chosen, values, strict=True))


@CALMLY
@given(st.data(), some_rows())
def test_many_rows_read_by_columns_are_those_read_one_by_one(data, drawn):
    kinds, rows, event, published, version = drawn
    layout = Layout(version, tuple(columns(kinds)))
    names = data.draw(st.permutations([*(column.name for column in layout.columns), "of_a_later_layout"]))
    reader = RowReader(layout, names[: data.draw(st.integers(0, len(names)))])
    many = data.draw(st.lists(st.sampled_from(rows), min_size=MANY, max_size=MANY + 3))
    encoded = [layout.encode(row, max(MIN, event - n), published) for n, row in enumerate(many)]
    for count in (1, 2, len(many)):
        one_by_one = [reader.read(row) for row in encoded[:count]]
        events, by_column = reader.read_many(encoded[:count])
        assert events == [event for event, _ in one_by_one]
        assert [len(column) for column in by_column] == [count] * len(by_column)
        _, arrays = reader.read_many(encoded[:count], arrays=True)
        for n, (_, values) in enumerate(one_by_one):
            assert all(same(column[n], value) for column, value in zip(by_column, values, strict=True))
            # Where a column is an array, what is null is NaN.
            known = [
                math.nan if value is None and isinstance(column, np.ndarray) else value
                for column, value in zip(arrays, values, strict=True)
            ]
            assert all(same(column[n], value) for column, value in zip(arrays, known, strict=True))


@CALMLY
@given(st.data(), KINDS)
def test_keys_of_many_rows_are_those_encoded_one_by_one(data, kinds):
    codec = KeyCodec(columns(kinds))
    values = {**VALUES, "int": VALUES["int"] | st.just(MAX + 1)}
    rows = data.draw(st.lists(st.tuples(*(st.none() | values[kind] for kind in kinds)), min_size=1, max_size=6))
    assert codec.encode_many(list(zip(*rows, strict=True))) == [codec.encode(row) for row in rows]


def test_a_row_of_a_static_group_has_no_time():
    layout = Layout(1, tuple(columns(["float"])))
    assert times(layout.encode([1.5], None, 7)) == (NO_TIME, 7)


def test_a_null_is_not_nan():
    layout = Layout(1, tuple(columns(["float", "float"])))
    _, values = RowReader(layout, ["c0", "c1"]).read(layout.encode([None, math.nan], 0, 0))
    assert values[0] is None
    assert math.isnan(values[1])


@pytest.mark.parametrize(
    ("kind", "arrow", "fits"),
    [
        pytest.param("float", pa.int32(), True, id="whole_numbers_are_floats"),
        pytest.param("int", pa.float64(), False, id="floats_are_no_whole_numbers"),
        pytest.param("int", pa.string(), False, id="texts_are_not_read_as_numbers"),
        pytest.param("bool", pa.int8(), False, id="numbers_are_no_booleans"),
        pytest.param("string", pa.dictionary(pa.int32(), pa.string()), True, id="dictionaries_of_texts"),
        pytest.param("timestamp", pa.timestamp("ns"), True, id="nanoseconds"),
        pytest.param("date", pa.timestamp("us"), False, id="instants_are_no_days"),
        pytest.param("float", pa.null(), True, id="nothing_but_nulls"),
    ],
)
def test_which_types_fit(kind, arrow, fits):
    assert bulk.fits(kind, arrow) is fits


def test_rows_in_bulk_are_those_of_long_tables_too():
    layout = Layout(1, tuple(columns(["int", "string"])))
    count = 10_001
    arrays = [pa.array(range(count)), pa.array([f"s{n}" if n % 3 else None for n in range(count)], pa.large_string())]
    moments = np.arange(count)
    found = [row for some in bulk.encoded_rows(layout, arrays, moments, moments + 1) for row in some]
    read = RowReader(layout, ["c0", "c1"]).read
    assert len(found) == count
    assert [read(row) for row in found[:: count - 1]] == [(0, [0, None]), (count - 1, [count - 1, f"s{count - 1}"])]
    assert timedelta(microseconds=times(found[-1])[1]) == timedelta(microseconds=count)
