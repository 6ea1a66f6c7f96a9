"""Online tables: loaded in full, updated in any order, and what is known of them."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti_assets.errors import NotFoundError
from fti_assets.online_store import OnlineStore, OnlineStoreError, Updated
from fti_assets.online_store.given import PUBLISHED_AT, SUPERSEDED_AT
from fti_assets.online_store.stored_rows import stored_rows
from fti_assets.vocabulary import Column, Entity, Feature
from fti_assets_tests.feature_store.examples import HOUR, MICROSECOND, T0, make_group
from fti_assets_tests.online_store.examples import WEATHER, at, table_of, us

SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
ROADS = replace(make_group("roads", ("lanes",), static=True), online=True)


def temperatures(online, *stations, group=WEATHER):
    """For each station its temperature and the hours since T0 of its event time."""
    with online.reading() as reader:
        rows = stored_rows(reader, online.table(group), [(station,) for station in stations])
    return [row and (row.values["temp"], (row.event_time - us()) / us_of(HOUR)) for row in rows]


def us_of(span):
    return span // MICROSECOND


def weather(*rows, published=None):
    """Rows as `(station, hours after T0, temperature)`."""
    more = {PUBLISHED_AT: [at(one) for one in published]} if published else {}
    return table_of(WEATHER, *((station, at(hours), temp, None) for station, hours, temp in rows), **more)


def gone(*rows, when=None):
    columns = {"station": [station for station, _ in rows], "at": pa.array([at(hours) for _, hours in rows])}
    return pa.table(columns | ({SUPERSEDED_AT: pa.array([at(one) for one in when])} if when else {}))


def test_a_full_load_keeps_the_newest_row_of_each_entity(online):
    table = online.replace(WEATHER, weather(("b", 1, 1.0), ("a", 2, 2.0), ("b", 3, 3.0), ("a", 0, 0.0)), snapshot=7)
    assert temperatures(online, "a", "b", "c") == [(2.0, 2.0), (3.0, 3.0), None]
    assert (table.entities, table.generation, table.snapshot, table.newest_event) == (2, 1, 7, at(3))
    assert online.tables() == [table] == [online.table(WEATHER)] == [online.table("weather_v1")]


def test_a_full_load_takes_the_place_of_everything(online):
    first = online.replace(WEATHER, weather(("a", 5, 1.0), ("b", 5, 1.0)))
    second = online.replace(WEATHER, weather(("b", 1, 9.0)))
    assert temperatures(online, "a", "b") == [None, (9.0, 1.0)]
    assert (first.generation, second.generation, second.entities) == (1, 2, 1)
    assert second.newest_event == at(1)
    assert second.size < first.size


def test_nothing_can_be_loaded(online):
    assert online.replace(WEATHER, weather()).entities == 0
    assert temperatures(online, "a") == [None]


def test_the_newest_event_wins_whatever_comes_last(online):
    assert online.update(WEATHER, weather(("a", 2, 2.0), ("b", 0, 0.0))) == Updated(written=2, older=0, withdrawn=0)
    assert online.update(WEATHER, weather(("a", 1, 1.0), ("b", 1, 1.0))) == Updated(written=1, older=1, withdrawn=0)
    assert temperatures(online, "a", "b") == [(2.0, 2.0), (1.0, 1.0)]
    assert online.table(WEATHER).entities == 2


def test_of_equal_events_the_later_publication_wins(online):
    online.update(WEATHER, weather(("a", 1, 1.0), published=[5]))
    assert online.update(WEATHER, weather(("a", 1, 2.0), published=[4])) == Updated(written=0, older=1, withdrawn=0)
    assert online.update(WEATHER, weather(("a", 1, 3.0), published=[5])) == Updated(written=0, older=1, withdrawn=0)
    assert online.update(WEATHER, weather(("a", 1, 4.0), published=[6])) == Updated(written=1, older=0, withdrawn=0)
    assert temperatures(online, "a") == [(4.0, 1.0)]


def test_of_a_static_group_the_later_publication_wins(online):
    online.update(ROADS, table_of(ROADS, ("a", 2.0), **{PUBLISHED_AT: [at(2)]}))
    online.update(ROADS, table_of(ROADS, ("a", 1.0), ("b", 1.0), **{PUBLISHED_AT: [at(1), at(1)]}))
    with online.reading() as reader:
        rows = stored_rows(reader, online.table(ROADS), [("a",), ("b",)])
    assert [(row.values, row.event_time) for row in rows] == [({"lanes": 2.0}, None), ({"lanes": 1.0}, None)]
    assert online.table(ROADS).newest_event is None


def test_a_withdrawn_event_falls_back_to_the_row_given_in_its_place(online):
    online.update(WEATHER, weather(("a", 3, 3.0), ("b", 3, 3.0), ("c", 4, 4.0)))
    found = online.update(WEATHER, weather(("a", 1, 1.0), ("c", 1, 1.0)), withdrawn=gone(("a", 3), ("b", 3), ("c", 3), ("x", 3)))
    assert found == Updated(written=1, older=1, withdrawn=2)
    assert temperatures(online, "a", "b", "c") == [(1.0, 1.0), None, (4.0, 4.0)]
    assert online.table(WEATHER).entities == 2


def test_a_withdrawal_does_not_take_away_what_was_published_after_it(online):
    online.update(WEATHER, weather(("a", 3, 3.0), published=[8]))
    assert online.update(WEATHER, weather(), withdrawn=gone(("a", 3), when=[7])).withdrawn == 0
    assert temperatures(online, "a") == [(3.0, 3.0)]
    assert online.update(WEATHER, weather(), withdrawn=gone(("a", 3), when=[8])).withdrawn == 1
    assert temperatures(online, "a") == [None]


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 3), st.floats(allow_nan=False)), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=SUPPRESSED)
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_order_of_updates_gives_the_newest_events(embedded, events, order, at_once):
    # Rows that are equal in event time and publication time are the same row.
    facts = {(station, hours, published): temp for station, hours, published, temp in events}
    rows = [(*fact, temp) for fact, temp in facts.items()]
    order.shuffle(rows)
    embedded.replace(WEATHER, weather())
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        embedded.update(WEATHER, weather(*((s, h, t) for s, h, _, t in some), published=[p for _, _, p, _ in some]))
    newest = {}
    for station, hours, _, temp in sorted(rows):
        newest[station] = (temp, float(hours))
    assert temperatures(embedded, *"abc") == [newest.get(station) for station in "abc"]
    assert embedded.table(WEATHER).entities == len(newest)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("withdraw"), st.sampled_from("ab"), st.integers(0, 3)),
        st.tuples(st.just("again"), st.sampled_from("ab"), st.integers(0, 3)),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=SUPPRESSED)
@given(STEPS)
def test_a_history_of_publications_and_withdrawals_leaves_the_newest_that_stands(embedded, steps):
    """Against a dict of what stands, by station and event time; older windows come again in between, as they were published."""
    embedded.replace(WEATHER, weather())
    standing = {}
    for number, (what, station, hours) in enumerate(steps):
        if what == "publish":
            standing[station, hours] = (float(number), number)
            embedded.update(WEATHER, weather((station, hours, float(number)), published=[number]))
        elif what == "withdraw":
            standing.pop((station, hours), None)
            left = newest_of(standing, station)
            rows, published = ([], None) if left is None else ([(station, left[0], left[1][0])], [left[1][1]])
            embedded.update(WEATHER, weather(*rows, published=published), withdrawn=gone((station, hours), when=[number]))
        elif (station, hours) in standing:
            temp, published = standing[station, hours]
            embedded.update(WEATHER, weather((station, hours, temp), published=[published]))
    expected = [(found := newest_of(standing, station)) and (found[1][0], float(found[0])) for station in "ab"]
    assert temperatures(embedded, *"ab") == expected


def newest_of(standing, station):
    hours = [hours for name, hours in standing if name == station]
    return (max(hours), standing[station, max(hours)]) if hours else None


def test_a_long_shuffled_history_in_small_batches(online):
    rows = [(f"s{n % 40}", n // 40, float(n)) for n in range(400)]
    random.Random(3).shuffle(rows)
    for start in range(0, 400, 80):
        online.update(WEATHER, weather(*rows[start : start + 80]))
    assert temperatures(online, *(f"s{n}" for n in range(40))) == [(360.0 + n, 9.0) for n in range(40)]
    assert online.table(WEATHER).entities == 40


def test_what_a_table_holds_is_counted_in_bytes(online):
    online.replace(WEATHER, weather(("a", 1, 1.0), ("b", 1, 1.0)))
    both = online.table(WEATHER).size
    online.update(WEATHER, weather(("a", 2, 2.0)))
    assert online.table(WEATHER).size == both
    online.update(WEATHER, weather(), withdrawn=gone(("a", 2)))
    assert online.table(WEATHER).size == both // 2


def test_dropping_a_table_takes_its_rows_and_leaves_the_others(online):
    online.replace(WEATHER, weather(("a", 1, 1.0)))
    online.replace(ROADS, table_of(ROADS, ("a", 2.0)))
    online.drop(WEATHER)
    assert [table.name for table in online.tables()] == ["roads_v1"]
    with pytest.raises(NotFoundError, match=r"'weather_v1' is not in the online store .* It has: roads_v1"):
        online.table(WEATHER)
    with pytest.raises(NotFoundError, match="Load it from the lake: fti online load weather_v1"):
        online.drop("weather_v1")


def test_nothing_is_made_by_looking(tmp_path):
    online = OnlineStore(tmp_path / "online")
    assert online.tables() == []
    with pytest.raises(NotFoundError, match="It has none"):
        online.table(WEATHER)
    assert not (tmp_path / "online").exists()


WIDER = replace(make_group("weather", ("temp", "wind", Feature("kind", "string"))), online=True)


def test_rows_from_before_a_column_was_added_are_read_with_a_null(online):
    online.replace(WEATHER, weather(("a", 1, 1.0), ("b", 1, 1.0)))
    online.update(WIDER, table_of(WIDER, ("b", at(2), 2.0, None, "snow")))
    with online.reading() as reader:
        rows = stored_rows(reader, online.table(WIDER), [("a",), ("b",)])
    assert [row.values for row in rows] == [
        {"temp": 1.0, "wind": None, "kind": None},
        {"temp": 2.0, "wind": None, "kind": "snow"},
    ]
    assert [layout.version for layout in online.table(WIDER).layouts] == [1, 2]


def test_a_writer_of_an_older_definition_goes_on(online):
    online.update(WIDER, table_of(WIDER, ("a", at(1), 1.0, None, "snow")))
    online.update(WEATHER, weather(("a", 2, 2.0)))
    online.update(WIDER, table_of(WIDER, ("b", at(1), 1.0, None, "rain")))
    assert len(online.table(WIDER).layouts) == 2
    assert temperatures(online, "a", "b") == [(2.0, 2.0), (1.0, 1.0)]


def test_a_full_load_forgets_older_layouts(online):
    online.replace(WEATHER, weather(("a", 1, 1.0)))
    online.update(WIDER, table_of(WIDER, ("b", at(2), 2.0, None, "snow")))
    table = online.replace(WIDER, table_of(WIDER, ("b", at(2), 2.0, None, "snow")))
    assert [layout.version for layout in table.layouts] == [2]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(make_group("weather", (Feature("temp", "int"), "wind")), "the type of temp", id="another_type"),
        pytest.param(make_group("weather", ("temp", "wind"), static=True), "its keys or its event time", id="no_event_time"),
        pytest.param(
            make_group("weather", ("temp", "wind"), entity=Entity("station", (Column("station", "int"),))),
            "its keys or its event time",
            id="another_key",
        ),
    ],
)
def test_an_update_by_a_definition_that_differs_is_refused_and_a_load_is_not(online, changed, reason):
    online.replace(WEATHER, weather(("a", 1, 1.0)))
    station = 1 if changed.entity.keys[0].type == "int" else "a"
    rows = table_of(
        changed, tuple({"station": station, "at": at(2), "temp": 2, "wind": 0.0}[c.name] for c in changed.table.columns)
    )
    with pytest.raises(OnlineStoreError, match=f"another definition of the group: {reason} differ"):
        online.update(changed, rows)
    assert temperatures(online, "a") == [(1.0, 1.0)]
    assert online.replace(changed, rows).entities == 1


def test_two_versions_of_a_group_stand_side_by_side(online):
    other = replace(WEATHER, version=2)
    online.replace(WEATHER, weather(("a", 1, 1.0)))
    online.replace(other, weather(("a", 1, 2.0)))
    assert temperatures(online, "a") == [(1.0, 1.0)]
    assert temperatures(online, "a", group=other) == [(2.0, 1.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param({"station": ["a"], "at": [T0], "temp": [1.0]}, "have no column 'wind'. They have: station, at", id="missing"),
        pytest.param({"station": [1], "at": [T0], "temp": [1.0], "wind": [1.0]}, "is int64 where a string", id="type_of_a_key"),
        pytest.param({"station": ["a"], "at": [T0], "temp": ["1"], "wind": [1.0]}, "is string where a float", id="type"),
        pytest.param({"station": ["a", None], "at": [T0] * 2, "temp": [1.0] * 2, "wind": [1.0] * 2}, "no 'station'", id="null_key"),
        pytest.param({"station": ["a"], "at": [None], "temp": [1.0], "wind": [1.0]}, "no 'at'", id="null_event_time"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_change_nothing(online, rows, message):
    online.replace(WEATHER, weather(("a", 0, 0.0)))
    for write in (online.replace, online.update):
        with pytest.raises(OnlineStoreError, match=message):
            write(WEATHER, pa.table(rows))
    assert temperatures(online, "a") == [(0.0, 0.0)]


def test_columns_are_taken_by_name_and_in_other_notations(online):
    naive = pa.array([datetime(2024, 1, 10, 12)], pa.timestamp("ns"))  # noqa: DTZ001 - is in UTC
    rows = {"wind": pa.array([3], pa.int16()), "at": naive, "temp": pa.array([1.5], pa.float32())}
    online.replace(WEATHER, pa.table(rows | {"station": pa.array(["a"]).dictionary_encode()}))
    assert temperatures(online, "a") == [(1.5, 0.0)]


def test_a_publication_time_is_now_unless_it_is_given(online):
    before = datetime.now(UTC)
    online.replace(WEATHER, weather(("a", 0, 0.0)))
    with online.reading() as reader:
        (row,) = stored_rows(reader, online.table(WEATHER), [("a",)])
    assert before - timedelta(seconds=1) < datetime.fromtimestamp(row.published_at / 1e6, UTC) <= datetime.now(UTC)


def test_the_platforms_times_have_the_names_that_the_lake_gives_them():
    from fti_assets.feature_store.publishing import schema

    assert (PUBLISHED_AT, SUPERSEDED_AT) == (schema.PUBLISHED_AT, schema.SUPERSEDED_AT)
