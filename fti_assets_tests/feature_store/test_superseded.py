"""Both times of a row: when it was published, and when a later publication replaced or withdrew it."""

import math
import struct
from datetime import date, timedelta
from itertools import count

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.feature_store import FeatureStore, MissingFeaturesError, PublishError
from fti_assets.feature_store.publishing.schema import stored_columns
from fti_assets.feature_store.publishing.superseded import superseded_table
from fti_assets.vocabulary import Column, Entity, Feature, FeatureGroup, StagedTable
from fti_assets_tests.feature_store.examples import DAY, DAYS, HOUR, PROMISE, T0, YEAR, day, make_group, read_all, rows_of

WEATHER = make_group()
PROFILE = make_group("profile", ("seats",), static=True)
NEXT = T0 + DAY
OF_EVERY_TYPE = FeatureGroup(
    name="every",
    version=1,
    entity=Entity("thing", (Column("thing", "int"),)),
    event_time="known_at",
    cadence=DAYS,
    features=(
        Feature("f", "float"),
        Feature("i", "int"),
        Feature("b", "bool"),
        Feature("s", "string"),
        Feature("t", "timestamp"),
        Feature("d", "date"),
    ),
    contract=PROMISE,
)
FULL = {"f": 1.5, "i": 1, "b": True, "s": "x", "t": T0, "d": date(2024, 1, 1)}


def current(store, group):
    """Each row of the group with its publication time, in the order of the key."""
    with store.connect() as connection:
        return connection.execute(f"FROM {group.table.sql} ORDER BY ALL").fetchall()


def superseded(store, group):
    with store.connect() as connection:
        return connection.execute(f"FROM lake.superseded.{group.table.name} ORDER BY ALL").fetchall()


def snapshot_of(store, group):
    """The last change of the table itself: what its files and inlined rows are."""
    with store.connect() as connection:
        query = "SELECT max(begin_snapshot), max(end_snapshot), count(*) FROM __ducklake_metadata_lake.{}"
        files = [connection.execute(query.format(name)).fetchone() for name in ("ducklake_data_file", "ducklake_delete_file")]
        return files, connection.execute(f"SELECT rowid, * FROM {group.table.sql} ORDER BY ALL").fetchall()


def keys_of(group, *keys):
    return rows_of(group, *((*key, *[None] * len(group.features)) for key in keys)).select(list(group.table.key))


def test_a_row_that_is_published_again_keeps_its_time_and_the_others_are_kept(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 2.0), ("c", T0, 3.0)), YEAR)
    second = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 9.0), ("d", T0, 4.0)), YEAR)
    early, late = first.published_at, second.published_at
    assert current(store, WEATHER) == [("a", T0, 1.0, early), ("b", T0, 9.0, late), ("d", T0, 4.0, late)]
    assert superseded(store, WEATHER) == [("b", T0, 2.0, early, late), ("c", T0, 3.0, early, late)]
    assert (second.rows, second.replaced, second.changed) == (3, 3, 3)


def test_a_value_that_comes_back_is_a_new_publication(store):
    times = [store.publish(WEATHER, rows_of(WEATHER, ("a", T0, value)), YEAR).published_at for value in (1.0, 2.0, 1.0)]
    assert current(store, WEATHER) == [("a", T0, 1.0, times[2])]
    assert superseded(store, WEATHER) == [("a", T0, 1.0, times[0], times[1]), ("a", T0, 2.0, times[1], times[2])]


def test_only_the_window_is_touched(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("a", NEXT, 1.0)), YEAR)
    store.publish(WEATHER, rows_of(WEATHER, ("a", NEXT, 2.0)), day("2024-01-11"))
    assert [row[:3] for row in superseded(store, WEATHER)] == [("a", NEXT, 1.0)]
    assert current(store, WEATHER)[0] == ("a", T0, 1.0, first.published_at)


@pytest.mark.parametrize("group", [pytest.param(WEATHER, id="by_window"), pytest.param(PROFILE, id="as_a_whole")])
@pytest.mark.parametrize("rows", [pytest.param(3, id="few_rows"), pytest.param(3000, id="rows_in_a_file")])
def test_where_nothing_differs_the_table_is_not_touched(store, group, rows):
    times = [T0] if group is WEATHER else []
    window = YEAR if group is WEATHER else None
    given_rows = rows_of(group, *((f"s{n}", *times, float(n)) for n in range(rows)))
    first = store.publish(group, given_rows, window)
    before = snapshot_of(store, group)
    again = store.publish(group, given_rows.take(list(reversed(range(rows)))), window)
    assert snapshot_of(store, group) == before
    assert (again.rows, again.replaced, again.changed) == (rows, rows, 0)
    assert again.published_at > first.published_at
    assert store.publications(str(group.table)) == [again, first]
    assert store.tables("superseded") == []


def test_a_window_that_differs_is_written_as_a_whole_in_the_order_of_time(store):
    def rows(value):
        return rows_of(WEATHER, *((f"s{n % 7}", day("2024-01-10").start + n * timedelta(seconds=1), value(n)) for n in range(5000)))

    store.publish(WEATHER, rows(float), day("2024-01-10"))
    store.publish(WEATHER, rows(lambda n: -1.0 if n == 2500 else float(n)), day("2024-01-10"))
    with store.connect() as connection:
        files = connection.execute(
            "SELECT data_file FROM ducklake_list_files('lake', 'weather_v1', schema => 'features')"
        ).fetchall()
        (file,) = files[0]
        stored = connection.execute(f"SELECT epoch_us(\"at\") FROM read_parquet('{file}')").fetchnumpy()
    assert (len(files), len(stored)) == (1, 1)
    (times,) = stored.values()
    assert (len(times), list(times)) == (5000, sorted(times))


@pytest.mark.parametrize(
    ("before", "after", "unchanged", "changed"),
    [
        pytest.param("abcdef", "abcdef", "abcdef", 0, id="nothing"),
        pytest.param("acegik", "acehik", "aceik", 2, id="another_key_at_the_same_place"),
        pytest.param("abcdef", "abcdfg", "abcdf", 2, id="moved_by_one_at_the_end"),
        pytest.param("abcdef", "bcdefg", "bcdef", 2, id="moved_by_one_from_the_start"),
        pytest.param("abcdef", "abcde", "abcde", 1, id="one_less"),
        pytest.param("abcdef", "abcdefg", "abcdef", 1, id="one_more"),
        pytest.param("abcdef", "uvwxyz", "", 12, id="everything"),
    ],
)
def test_rows_are_compared_with_those_of_their_key_wherever_they_stand(store, before, after, unchanged, changed):
    first = store.publish(WEATHER, rows_of(WEATHER, *((key, T0, 1.0) for key in before)), YEAR)
    second = store.publish(WEATHER, rows_of(WEATHER, *((key, T0, 1.0) for key in after)), YEAR)
    assert {key for key, _, _, at in current(store, WEATHER) if at == first.published_at} == set(unchanged)
    assert [row[0] for row in current(store, WEATHER)] == list(after)
    assert second.changed == changed
    if set(before) - set(after):
        assert [row[0] for row in superseded(store, WEATHER)] == sorted(set(before) - set(after))


def test_a_staged_table_keeps_nothing(store):
    staged = StagedTable(name="readings", columns=(Column("n", "int"), Column("x", "float")), key=("n",), contract=PROMISE)
    for value in (1.0, 2.0):
        published = store.publish(staged, rows_of(staged, (1, value)))
    assert published.changed is None
    with store.connect() as connection:
        assert connection.table("lake.staging.readings").columns == ["n", "x"]
    assert store.tables("superseded") == []


def test_a_withdrawn_window_is_kept(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    second = store.publish(WEATHER, rows_of(WEATHER), YEAR, may_be_empty=True)
    assert current(store, WEATHER) == []
    assert superseded(store, WEATHER) == [("a", T0, 1.0, first.published_at, second.published_at)]
    assert second.changed == 1


def test_columns_that_are_added_are_added_to_what_was_superseded(store):
    grown = make_group(features=("temp", "wind"))
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 2.0)), YEAR)
    store.publish(grown, rows_of(grown, ("a", T0, 2.0, None)), YEAR)
    assert len(superseded(store, WEATHER)) == 1  # a new column that is null everywhere alters no row
    store.publish(grown, rows_of(grown, ("a", T0, 2.0, 5.0)), YEAR)
    store.publish(grown, rows_of(grown, ("a", T0, 3.0, 5.0)), YEAR)
    with store.connect() as connection:
        rows = connection.execute("SELECT temp, wind FROM lake.superseded.weather_v1 ORDER BY _superseded_at").fetchall()
    assert rows == [(1.0, None), (2.0, None), (2.0, 5.0)]


NAN, OTHER_NAN = math.nan, struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]


@pytest.mark.parametrize(
    ("column", "before", "after", "differs"),
    [
        pytest.param("f", NAN, NAN, False, id="nan_is_nan"),
        pytest.param("f", None, None, False, id="null_is_null"),
        pytest.param("f", NAN, None, True, id="nan_is_not_null"),
        pytest.param("f", 0.0, -0.0, True, id="the_sign_of_zero_counts"),
        pytest.param("f", -0.0, -0.0, False, id="minus_zero_is_itself"),
        pytest.param("f", 0.1 + 0.2, 0.3, True, id="the_last_bit_counts"),
        pytest.param("f", math.inf, -math.inf, True, id="infinities"),
        pytest.param("f", 1.0, NAN, True, id="nan_is_not_a_number"),
        pytest.param("i", 2**62, 2**62 + 1, True, id="large_integers"),
        pytest.param("i", None, 0, True, id="null_is_not_zero"),
        pytest.param("b", None, False, True, id="null_is_not_false"),
        pytest.param("b", False, False, False, id="bool"),
        pytest.param("s", "", None, True, id="null_is_not_an_empty_text"),
        pytest.param("s", "é", "e\u0301", True, id="texts_are_not_normalised"),
        pytest.param("s", "A", "a", True, id="case_counts"),
        pytest.param("t", T0, T0 + timedelta(microseconds=1), True, id="microseconds"),
        pytest.param("t", None, None, False, id="null_times"),
        pytest.param("d", date(2024, 1, 1), date(2024, 1, 2), True, id="dates"),
    ],
)
def test_what_counts_as_a_difference(store, column, before, after, differs):
    def publish(value):
        row = {**FULL, column: value}
        return store.publish(OF_EVERY_TYPE, rows_of(OF_EVERY_TYPE, (1, T0, *row.values())), YEAR)

    publish(before)
    assert publish(after).changed == differs
    (stored,) = read_all(store, OF_EVERY_TYPE.table)
    found = stored[2 + list(FULL).index(column)]
    assert struct.pack("d", found) == struct.pack("d", after) if isinstance(after, float) else found == after


# upsert and retract


def test_an_upsert_replaces_and_adds_in_any_window(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("a", NEXT, 2.0), ("b", T0, 3.0)), YEAR)
    upserted = store.upsert(WEATHER, rows_of(WEATHER, ("a", NEXT, 9.0), ("b", T0, 3.0), ("c", T0 + 20 * DAY, 4.0)), run="r")
    early, late = first.published_at, upserted.published_at
    assert current(store, WEATHER) == [
        ("a", T0, 1.0, early),
        ("a", NEXT, 9.0, late),
        ("b", T0, 3.0, early),
        ("c", T0 + 20 * DAY, 4.0, late),
    ]
    assert superseded(store, WEATHER) == [("a", NEXT, 2.0, early, late)]
    assert (upserted.kind, upserted.window, upserted.run) == ("upsert", None, "r")
    assert (upserted.rows, upserted.replaced, upserted.changed) == (3, 2, 2)
    assert store.publications("features.weather_v1") == [upserted, first]


def test_the_same_upsert_again_changes_nothing(store):
    rows = rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, None))
    store.upsert(WEATHER, rows)
    before = snapshot_of(store, WEATHER)
    again = store.upsert(WEATHER, rows)
    assert snapshot_of(store, WEATHER) == before
    assert (again.replaced, again.changed) == (2, 0)
    assert store.tables("superseded") == []


def test_an_upsert_into_large_files_leaves_their_other_rows(store):
    rows = [(f"s{n % 50}", T0 + n * timedelta(minutes=1), float(n)) for n in range(3000)]
    store.publish(WEATHER, rows_of(WEATHER, *rows), YEAR)
    changed = [(station, at, -value) for station, at, value in rows[100:2900:100]]
    store.upsert(WEATHER, rows_of(WEATHER, *changed))
    by_key = {row[:2]: row for row in rows} | {row[:2]: row for row in changed}
    assert read_all(store, WEATHER.table) == sorted(by_key.values())
    assert len(superseded(store, WEATHER)) == len(changed)


def test_a_key_in_two_windows_becomes_one_row(store):
    group = FeatureGroup(
        name="flights",
        version=1,
        entity=Entity("flight", (Column("flight", "int"),)),
        event_time="known_at",
        window_time="departs",
        cadence=DAYS,
        features=(Feature("gate", "string"),),
        contract=PROMISE,
    )
    for key, departs in (("2024-01-10", T0), ("2024-01-11", NEXT)):
        store.publish(group, rows_of(group, (1, T0 - DAY, departs, "A")), day(key))
    upserted = store.upsert(group, rows_of(group, (1, T0 - DAY, NEXT, "A")))
    assert read_all(store, group.table) == [(1, T0 - DAY, NEXT, "A")]
    assert [row[:4] for row in superseded(store, group)] == [(1, T0 - DAY, T0, "A")]
    assert upserted.replaced == 2


def test_rows_of_a_static_group_by_key(store):
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0), ("b", 2.0)))
    store.upsert(PROFILE, rows_of(PROFILE, ("b", 3.0), ("c", 4.0)))
    store.retract(PROFILE, pa.table({"station": ["a"]}))
    assert read_all(store, PROFILE.table) == [("b", 3.0), ("c", 4.0)]
    assert [row[:2] for row in superseded(store, PROFILE)] == [("a", 1.0), ("b", 2.0)]


def test_an_upsert_may_be_the_first_publication(store):
    store.upsert(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)))
    assert read_all(store, WEATHER.table) == [("a", T0, 1.0)]
    assert store.contract("features", "weather_v1")["group"] == "weather"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [("a", T0, 1.0), ("a", T0, 2.0)],
            r"repeat the key \(station, at\): \(a, 2024-01-10 12:00:00\+00:00\) 2 times",
            id="twice",
        ),
        pytest.param([(None, T0, 1.0)], "no key or time: null 'station'", id="null_key"),
        pytest.param([("a", None, 1.0)], "no key or time: null 'at'", id="null_time"),
    ],
)
def test_an_upsert_of_rows_that_do_not_fit_changes_nothing(store, rows, message):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 0.0)), YEAR)
    with pytest.raises(PublishError, match=message):
        store.upsert(WEATHER, rows_of(WEATHER, *rows))
    assert read_all(store, WEATHER.table) == [("a", T0, 0.0)]
    assert len(store.publications("features.weather_v1")) == 1


def test_rows_are_withdrawn_by_key(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("a", NEXT, 2.0), ("b", T0, 3.0)), YEAR)
    retracted = store.retract(WEATHER, keys_of(WEATHER, ("a", NEXT), ("b", T0)), run="r")
    assert current(store, WEATHER) == [("a", T0, 1.0, first.published_at)]
    times = (first.published_at, retracted.published_at)
    assert superseded(store, WEATHER) == [("a", NEXT, 2.0, *times), ("b", T0, 3.0, *times)]
    assert (retracted.kind, retracted.rows, retracted.replaced, retracted.changed) == ("retract", 2, 2, 2)


def test_keys_that_are_not_there_are_refused_by_name(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    keys = keys_of(WEATHER, ("a", T0), *((f"z{n}", T0) for n in range(7)))
    message = (
        r"'features\.weather_v1' has no row of these keys \(station, at\): \(z0, 2024-01-10 12:00:00\+00:00\);"
        r".*\(z4, .*\) and 2 more\. Nothing was withdrawn"
    )
    with pytest.raises(PublishError, match=message):
        store.retract(WEATHER, keys)
    assert read_all(store, WEATHER.table) == [("a", T0, 1.0)]
    assert len(store.publications("features.weather_v1")) == 1


def test_nothing_is_withdrawn_from_what_is_not_there_or_by_half_a_key(store):
    with pytest.raises(MissingFeaturesError, match=r"'features\.weather_v1' was never published"):
        store.retract(WEATHER, keys_of(WEATHER, ("a", T0)))
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    with pytest.raises(PublishError, match="'at' is missing"):
        store.retract(WEATHER, pa.table({"station": ["a"]}))


def test_a_row_that_was_withdrawn_may_be_published_again(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    store.retract(WEATHER, keys_of(WEATHER, ("a", T0)))
    again = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), YEAR)
    assert current(store, WEATHER) == [("a", T0, 1.0, again.published_at)]


# what was known at any time, against a plain dictionary

NUMBERS = count()
STATIONS, HOURS = st.sampled_from(["a", "b", "c"]), st.integers(0, 47)
KEYS = st.tuples(STATIONS, HOURS.map(lambda n: day("2024-01-10").start + n * HOUR))
VALUES = st.sampled_from([None, 0.0, -0.0, 1.0, math.nan])
ROWS = st.dictionaries(KEYS, VALUES, max_size=5)
WINDOWS = st.sampled_from([day("2024-01-10"), day("2024-01-11"), DAYS.window("2024-01-10", "2024-01-11")])
STEPS = st.lists(st.tuples(st.sampled_from(["publish", "publish", "upsert", "retract"]), ROWS, WINDOWS), min_size=1, max_size=5)


def shown(rows):
    """Rows as they compare: by their bits."""
    return {(key, None if value is None else struct.pack("d", value)) for key, value in rows.items()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One lake for all examples; each has a group of its own."""
    return FeatureStore(tmp_path_factory.mktemp("both_times"))


def carry_out(store, group, state, step):
    """Does the same in the store and in the dictionary. Returns the publication, None where there was nothing to withdraw."""
    kind, rows, window = step
    if kind == "publish":
        inside = {key: value for key, value in rows.items() if window.holds(key[1])}
        for key in [key for key in state if window.holds(key[1])]:
            del state[key]
        state.update(inside)
        return store.publish(group, rows_of(group, *((*key, value) for key, value in rows.items())), window, may_be_empty=True)
    if kind == "upsert":
        state.update(rows)
        return store.upsert(group, rows_of(group, *((*key, value) for key, value in rows.items())))
    keys = sorted(set(rows) & set(state))
    for key in keys:
        del state[key]
    return store.retract(group, keys_of(group, *keys)) if keys else None


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(steps=STEPS)
def test_what_was_known_at_any_time_is_found_again(lake, steps):
    group = make_group(f"group{next(NUMBERS)}")
    state, known = {}, {}
    for step in steps:
        publication = carry_out(lake, group, state, step)
        if publication is not None:
            known[publication.published_at] = shown(state)
    kept = f"lake.superseded.{group.table.name}" if has_superseded(lake, group) else None
    for instant, expected in known.items():
        assert known_at(lake, group, kept, instant) == expected


def has_superseded(store, group):
    with store.connect() as connection:
        return bool(stored_columns(connection, superseded_table(group.table)))


def known_at(store, group, kept, instant):
    """The rows that were current at an instant."""
    at = f"TIMESTAMPTZ '{instant.isoformat()}'"
    columns = 'station, "at", temp'
    query = f"SELECT {columns} FROM {group.table.sql} WHERE _published_at <= {at}"
    if kept:
        query += f" UNION ALL SELECT {columns} FROM {kept} WHERE _published_at <= {at} AND {at} < _superseded_at"
    with store.connect() as connection:
        rows = connection.execute(query).fetchall()
    found = {(station, at): value for station, at, value in rows}
    assert len(found) == len(rows), "a key was current twice"
    return shown(found)
