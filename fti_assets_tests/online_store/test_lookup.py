"""Reading a view online: what a row gets to see, and what it is told of what is not there."""

import random
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.online_store import OnlineRow, OnlineStore, OnlineStoreError
from fti_assets.online_store.windows import register
from fti_assets.vocabulary import REQUEST_TIME, Array, Column, Entity, Feature, FeatureView, aggregate, on_demand
from fti_assets_tests.feature_store.examples import DAY, HOUR, MICROSECOND, OUTCOMES, T0, TRIPS, make_group
from fti_assets_tests.online_store.examples import WEATHER, at, table_of, us

ROUTE = Entity("route", ("station", "line"))
ROUTES = replace(make_group("routes", ("delay", Feature("kind", "string")), entity=ROUTE, ttl=2 * HOUR), online=True)
LINES = replace(
    make_group("lines", (Feature("depot", "string"), "speed"), entity=Entity("line", ("line",)), static=True), online=True
)
SPINE = replace(TRIPS, online=True)


@on_demand(Feature("wind_minutes", "float", "Wind by the minutes of the day."), reads=("wind", REQUEST_TIME))
def wind_minutes(wind: Array, request_time: Array) -> Array:
    """Depends on the time of the request, and on a feature that is looked up."""
    day_of = request_time.astype("datetime64[D]")
    return wind * ((request_time - day_of) / np.timedelta64(60, "s"))


@on_demand(Feature("is_far", "bool", "Whether the trip is long and windy."), reads=("distance", "wind_minutes", "line"))
def is_far(distance: Array, wind: Array, line: Array) -> Array:
    """Reads a column of the spine that is no feature, and the result of another one."""
    return np.where(np.isnan(distance * wind), np.nan, (distance > 10) & (wind > 0) & (line != "x"))


def view_of(*features, spine=SPINE, computed=()):
    return FeatureView(
        name="delay", version=1, spine=spine, at="asked_at", features=features, label=OUTCOMES["late"], on_demand=computed
    )


VIEW = view_of(WEATHER.all_features, spine=TRIPS)


def load(online, group, *rows):
    online.replace(group, table_of(group, *rows))


def ask(online, view, *requests, hours=0.0):
    return online.view(view).find(requests, [us(hours)] * len(requests)).rows


def test_values_event_times_and_statuses_of_a_row(online):
    load(online, WEATHER, ("a", at(-1), 1.5, None))
    (row,) = ask(online, VIEW, {"trip": 1, "station": "a"})
    assert row == OnlineRow((1.5, None), (None, us(-1)), ("given", "found"))


@pytest.mark.parametrize(
    ("event", "ttl", "value", "status"),
    [
        pytest.param(T0, None, 1.0, "found", id="equal_time_is_visible"),
        pytest.param(T0 + MICROSECOND, None, None, "future", id="never_reads_the_future"),
        pytest.param(T0 - HOUR, HOUR, 1.0, "found", id="as_old_as_the_ttl"),
        pytest.param(T0 - HOUR - MICROSECOND, HOUR, None, "expired", id="older_than_the_ttl"),
        pytest.param(T0 - 1000 * DAY, None, 1.0, "found", id="any_age_without_a_ttl"),
    ],
)
def test_which_rows_count(online, event, ttl, value, status):
    group = replace(WEATHER, ttl=ttl)
    load(online, group, ("a", event, 1.0, 2.0))
    (row,) = ask(online, view_of(group["temp"]), {"trip": 1, "station": "a"})
    assert row.values == (value,)
    assert row.statuses[-1] == status
    assert row.event_times[-1] == (event - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


@pytest.mark.parametrize(
    ("station", "status"),
    [
        pytest.param("z", "missing", id="unknown"),
        pytest.param(None, "no_key", id="null"),
        pytest.param("a" * 5000, "missing", id="long"),
    ],
)
def test_an_entity_that_is_not_there_gives_nulls_and_says_so(online, station, status):
    load(online, WEATHER, ("a", at(), 1.0, 2.0))
    (row,) = ask(online, VIEW, {"trip": 1, "station": station})
    assert row == OnlineRow((None, None), (None, None), ("given", status))


def test_a_table_that_was_never_loaded_gives_nulls(online):
    assert ask(online, VIEW, {"trip": 1, "station": "a"}) == [OnlineRow((None, None), (None, None), ("given", "missing"))]


def test_a_published_null_is_a_value(online):
    load(online, WEATHER, ("a", at(), None, None))
    assert ask(online, VIEW, {"trip": 1, "station": "a"})[0].statuses == ("given", "found")


def test_many_rows_come_in_their_order_each_at_its_own_time(online):
    load(online, WEATHER, ("a", at(-1), 1.0, 10.0), ("b", at(1), 2.0, 20.0))
    stations = ["b", "a", None, "z", "a", "b"] * 40
    found = online.view(VIEW).find([{"trip": n, "station": s} for n, s in enumerate(stations)], [us(n) for n in range(240)]).rows
    assert [row.values[0] for row in found[:6]] == [None, 1.0, None, None, 1.0, 2.0]
    assert [row.statuses[1] for row in found[:6]] == ["future", "found", "no_key", "missing", "found", "found"]
    assert [row.values[0] for row in found[6:]] == [{"a": 1.0, "b": 2.0}.get(station) for station in stations[6:]]
    assert online.view(VIEW).find([], []).rows == []


@pytest.mark.parametrize(
    ("hours", "statuses"),
    [
        pytest.param((0, 1), ["found", "found"], id="all_count"),
        pytest.param((-1, 0), ["future", "found"], id="one_is_of_the_future"),
        pytest.param((0, 2), ["found", "expired"], id="one_has_expired"),
    ],
)
def test_of_rows_that_are_all_stored_each_counts_at_its_own_time(online, hours, statuses):
    group = replace(WEATHER, ttl=HOUR)
    load(online, group, ("a", at(), 1.0, 2.0), ("b", at(), 1.0, 2.0))
    found = online.view(view_of(group["temp"])).find([{"trip": 1, "station": "a"}, {"trip": 2, "station": "b"}], [*map(us, hours)])
    assert [row.statuses[1] for row in found.rows] == statuses
    assert [row.values[0] for row in found.rows] == [1.0 if status == "found" else None for status in statuses]


ROLES = view_of(
    SPINE["distance"],
    WEATHER["wind", "temp"],
    WEATHER["temp"].on(station="line").prefixed("line_"),
    ROUTES.all_features,
    LINES["speed"],
)


def load_roles(online):
    load(online, SPINE, (1, at(-1), "a", "x", 12.0), (2, at(-1), "b", None, None), (3, at(9), "a", "x", 1.0))
    load(online, WEATHER, ("a", at(-1), 1.0, 10.0), ("x", at(-1), 5.0, 50.0))
    load(online, ROUTES, ("a", "x", at(-1), 7.0, "fast"), ("b", "x", at(-3), 8.0, "slow"))
    load(online, LINES, ("x", "depot", 30.0))


def test_keys_of_the_spine_s_columns_are_found_in_its_own_row(online):
    load_roles(online)
    first, second = ask(online, ROLES, {"trip": 1}, {"trip": 2})
    assert first.values == (12.0, 10.0, 1.0, 5.0, 7.0, "fast", 30.0)
    assert first.statuses == ("found",) * 5
    assert second.values == (None,) * 7
    assert second.statuses == ("found", "missing", "no_key", "no_key", "no_key")


def test_what_a_request_gives_takes_precedence_over_the_spine_s_row(online):
    load_roles(online)
    (row,) = ask(online, ROLES, {"trip": 1, "station": "b", "distance": None})
    assert row.values == (None, None, None, 5.0, None, None, 30.0)
    assert row.statuses == ("found", "missing", "found", "expired", "found")


def test_the_spine_s_row_is_not_needed_where_all_of_it_is_given(online):
    load_roles(online)
    (row,) = ask(online, ROLES, {"trip": 99, "station": "a", "line": "x", "distance": 3.0})
    assert row.values == (3.0, 10.0, 1.0, 5.0, 7.0, "fast", 30.0)
    assert row.statuses == ("given", "found", "found", "found", "found")


def test_a_row_of_the_spine_that_is_not_known_yet_is_not_seen(online):
    load_roles(online)
    (row,) = ask(online, ROLES, {"trip": 3})
    assert row.values == (None,) * 7
    assert row.statuses == ("future", *["no_key"] * 4)


def test_the_spine_s_columns_come_with_the_request_where_it_is_not_online(online):
    view = view_of(TRIPS["distance"], WEATHER["temp"], spine=TRIPS)
    load(online, WEATHER, ("a", at(), 1.0, 2.0))
    given, lacking = ask(online, view, {"trip": 1, "station": "a", "distance": 5.0}, {"trip": 2})
    assert given == OnlineRow((5.0, 1.0), (None, us()), ("given", "found"))
    assert lacking == OnlineRow((None, None), (None, None), ("missing", "no_key"))


def test_features_that_a_request_gives_are_used_as_they_are(online):
    load_roles(online)
    given = {"temp": -1.0, "wind": None, "line_temp": -2.0, "kind": "given", "speed": 0.0}
    (row, other) = ask(online, ROLES, {"trip": 1, **given}, {"trip": 1})
    assert row.values == (12.0, None, -1.0, -2.0, 7.0, "given", 0.0)
    assert row.statuses == ("found", "given", "given", "found", "given")
    assert other.values == (12.0, 10.0, 1.0, 5.0, 7.0, "fast", 30.0)


NESTED = view_of(WEATHER["temp"].on(station=LINES["depot"]).prefixed("depot_"), LINES["depot"], spine=SPINE)


def test_a_key_can_be_found_in_another_group(online):
    load(online, LINES, ("x", "a", 1.0), ("y", None, 1.0), ("z", "unknown", 1.0))
    load(online, WEATHER, ("a", at(-1), 5.0, None))
    rows = ask(online, NESTED, *({"trip": 1, "line": line, "station": "a"} for line in ("x", "y", "z", "nowhere", None)))
    assert [row.values for row in rows] == [(5.0, "a"), (None, None), (None, "unknown"), (None, None), (None, None)]
    assert [row.statuses for row in rows] == [
        ("given", "found", "found"),
        ("given", "no_key", "found"),
        ("given", "missing", "found"),
        ("given", "no_key", "missing"),
        ("given", "no_key", "no_key"),
    ]


def test_keys_nested_twice(online):
    depots = replace(
        make_group("depots", (Feature("city", "string"),), entity=Entity("depot", ("depot",)), static=True), online=True
    )
    view = view_of(WEATHER["temp"].on(station=depots["city"].on(depot=LINES["depot"])))
    load(online, LINES, ("x", "d", 1.0))
    load(online, depots, ("d", "a"))
    load(online, WEATHER, ("a", at(-1), 5.0, None))
    assert ask(online, view, {"trip": 1, "line": "x"})[0].values == (5.0,)


def test_a_key_that_is_a_number_and_null_finds_nothing_in_arrays_either(online):
    band = Entity("band", (Column("distance", "float"),))
    tariffs = replace(make_group("tariffs", ("price",), entity=band, static=True), online=True)
    view = online.view(view_of(tariffs["price"]))
    load(online, tariffs, *((float(n), 10.0 * n) for n in range(20)))
    load(online, SPINE, *((n, at(-1), "a", "x", None if n == 19 else float(n)) for n in range(20)))
    requests = [{"trip": n} for n in range(20)]
    plain, arrays = (view.find(requests, [us()] * 20, arrays=some) for some in (False, True))
    assert plain.statuses[-1] == arrays.statuses[-1] == ["found"] * 19 + ["no_key"]
    assert plain.columns[0] == [*(10.0 * n for n in range(19)), None]
    np.testing.assert_array_equal(arrays.columns[0], [*(10.0 * n for n in range(19)), np.nan])


def test_keys_and_event_times_can_be_features(online):
    view = view_of(WEATHER["temp", "station"].prefixed("its_"), LINES["line", "speed"].prefixed("the_"))
    load(online, WEATHER, ("a", at(), 1.0, 2.0))
    load(online, LINES, ("x", "d", 9.0))
    rows = ask(online, view, {"trip": 1, "station": "a", "line": "x"}, {"trip": 1, "station": "b", "line": "y"})
    assert [row.values for row in rows] == [(1.0, "a", "x", 9.0), (None, None, None, None)]


KINDS = ("int", "bool", "string", "timestamp", "date")


def test_keys_of_every_type(online):
    keys = [Column(f"k_{kind}", kind) for kind in KINDS]
    entity, values = Entity("many", keys), (5, True, "a\x00b", at(), date(2024, 1, 1))
    spine, label = replace(SPINE, name="asked", entity=entity), replace(OUTCOMES, entity=entity)["late"]
    group = replace(make_group("many", ("temp",), entity=entity), online=True)
    view = FeatureView(name="many", version=1, spine=spine, at="asked_at", features=(group["temp"],), label=label)
    load(online, group, (*values, at(-1), 1.0))
    request = {key.name: value for key, value in zip(keys, values, strict=True)}
    others = [request | {"k_timestamp": us()}, request | {"k_bool": False}, request | {"k_int": 2**70}]
    assert [row.values for row in ask(online, view, request, *others)] == [(1.0,), (1.0,), (None,), (None,)]


COMPUTED = view_of(WEATHER["wind"], computed=(wind_minutes, is_far))


def test_on_demand_features_are_computed_from_what_is_given_and_what_is_found(online):
    load_roles(online)
    rows = ask(online, COMPUTED, {"trip": 1}, {"trip": 2}, {"trip": 1, "line": "x", "distance": 5.0}, hours=0.5)
    assert [row.values for row in rows] == [(10.0, 7500.0, False), (None, None, None), (10.0, 7500.0, False)]
    assert ask(online, COMPUTED, {"trip": 1, "line": "y"}, hours=0.5)[0].values == (10.0, 7500.0, True)
    assert [type(value) for value in rows[0].values] == [float, float, bool]


def test_an_on_demand_feature_that_is_given_is_used_and_what_is_computed_from_it_follows(online):
    load_roles(online)
    rows = ask(
        online, COMPUTED, {"trip": 1, "line": "y", "wind_minutes": -1.0}, {"trip": 1, "line": "y"}, {"trip": 1, "is_far": None}
    )
    assert [row.values for row in rows] == [(10.0, -1.0, False), (10.0, 7200.0, True), (10.0, 7200.0, None)]


@pytest.mark.parametrize("seed", range(4))
def test_many_requests_at_once_get_what_each_of_them_gets_alone(online, seed):
    chance = random.Random(seed)
    stations, lines = [f"s{n}" for n in range(30)], ["x", "y"]
    times = [chance.choice((-1, -3, 0.5)) for _ in stations]
    load(online, SPINE, *((n, at(-1), stations[n % 30], chance.choice([*lines, None]), n / 2) for n in range(40)))
    load(online, WEATHER, *((s, at(t), chance.choice([None, 1.5]), t) for s, t in zip(stations[:25], times[:25], strict=True)))
    load(online, ROUTES, *((s, line, at(-1), 7.0, chance.choice(["é", "fast", None])) for s in stations for line in lines))
    wider = replace(LINES, features=(*LINES.features, Feature("later", "int")))
    load(online, LINES, ("x", "s1", 30.0))
    online.update(wider, table_of(wider, ("y", "s2", 31.0, 4)))  # two layouts in one table
    gives = {"station": [*stations, None], "line": [*lines, None], "distance": [3.0], "temp": [None, -1.0], "speed": [0.0]}
    depot = WEATHER["temp"].on(station=LINES["depot"]).prefixed("depot_")
    view = view_of(*ROLES.features, depot, computed=(wind_minutes, is_far))
    requests = [
        {
            "trip": chance.choice([*range(45), None]),
            **{n: chance.choice(some) for n, some in gives.items() if chance.random() < 0.2},
        }
        for _ in range(80)
    ]
    moments = [us(chance.choice((0, 0.75))) for _ in requests]
    for some in (slice(0, 80), slice(0, 17), slice(5, 8)):
        alone = [online.view(view).find([one], [time]).rows[0] for one, time in zip(requests[some], moments[some], strict=True)]
        assert online.view(view).find(requests[some], moments[some]).rows == alone
        arrays = online.view(view).find(requests[some], moments[some], arrays=True)
        assert [(row.event_times, row.statuses) for row in arrays.rows] == [(row.event_times, row.statuses) for row in alone]
        for column, values in zip(arrays.columns, zip(*(row.values for row in alone), strict=True), strict=True):
            known = [None if value is None or value != value else value for value in column]
            assert known == list(values)


@pytest.mark.parametrize(
    ("stations", "expected"),
    [
        pytest.param(range(20), [*range(19), None], id="all_stored"),
        pytest.param(range(1, 21), [*range(1, 19), None, None], id="one_missing"),
        pytest.param([*range(16), 3, 3, 3, 3], [*range(16), 3, 3, 3, 3], id="one_several_times"),
    ],
)
def test_floats_of_many_rows_are_arrays_where_they_are_asked_for(online, stations, expected):
    load(online, WEATHER, *((f"s{n}", at(), None if n == 19 else float(n), 2.0) for n in range(20)))
    view = online.view(view_of(WEATHER["temp", "wind"]))
    found = view.find([{"trip": 1, "station": f"s{n}"} for n in stations], [us()] * 20, arrays=True)
    assert {column.dtype for column in found.columns} == {np.dtype("float64")}
    np.testing.assert_array_equal(found.columns[0], np.array(expected, float))


WINDOWED = view_of(WEATHER.windowed(aggregate.count(last=DAY), aggregate.mean("temp", last=DAY)), WEATHER["wind"])


def test_windows_end_at_the_time_of_the_request(online):
    with online.writing() as writer:
        register(writer, WINDOWED, is_beginning=True)
    load(online, WEATHER, ("a", at(-1), 1.0, 9.0))
    events = [{"station": "a", "at": at(hours), "temp": float(hours), "wind": None} for hours in (-30, -2, -1, 1)]
    assert online.add_events(WEATHER, events).new == 4
    rows = ask(online, WINDOWED, {"trip": 1, "station": "a"}, {"trip": 1, "station": "b"}, {"trip": 1, "station": None})
    assert [row.values for row in rows] == [(2, -1.5, 9.0), (0, None, None), (None, None, None)]
    assert [row.statuses[1:] for row in rows] == [("found", "found"), ("missing", "missing"), ("no_key", "no_key")]
    assert rows[0].event_times == (None, us(-1), us(-1))
    (given,) = ask(online, WINDOWED, {"trip": 1, "station": "a", "count_1d": 5, "temp_mean_1d": None})
    assert given.values == (5, None, 9.0)
    assert given.statuses == ("given", "given", "found")


def test_what_a_view_says_of_itself(online):
    view = online.view(ROLES)
    assert [(source.name, source.prefix, source.features) for source in view.sources] == [
        ("trips_v1", "", ("distance",)),
        ("weather_v1", "", ("wind", "temp")),
        ("weather_v1", "line_", ("line_temp",)),
        ("routes_v1", "", ("delay", "kind")),
        ("lines_v1", "", ("speed",)),
    ]
    assert [column.name for column in view.required_keys] == ["trip"]
    assert [column.name for column in view.request_columns] == [
        *("trip", "station", "line", "distance", "wind", "temp", "line_temp", "delay", "kind", "speed"),
    ]
    assert online.view(ROLES) is online.view(ROLES)


def test_a_view_of_a_group_that_is_not_online_is_refused(online):
    offline = make_group("offline", ("speed",))
    with pytest.raises(DefinitionError, match=r"it joins offline_v1, of which nothing is online\. Set online=True"):
        online.view(view_of(WEATHER["temp"], offline.all_features))


def test_features_of_some_rows_by_name(online):
    load_roles(online)
    found = online.get_online_features(ROLES, [{"trip": 1}, {"trip": 2}], at=at())
    assert found.to_dicts()[0] == dict(zip(ROLES.feature_names, (12.0, 10.0, 1.0, 5.0, 7.0, "fast", 30.0), strict=True))
    assert found.missing() == [
        {},
        {"weather_v1": "missing", "weather_v1 as line_": "no_key", "routes_v1": "no_key", "lines_v1": "no_key"},
    ]
    assert found.ages()[0]["routes_v1"] == HOUR
    assert found.to_arrow().column("distance").to_pylist() == [12.0, None]
    one = online.get_online_features(ROLES, {"trip": 1}, at=at())
    assert one.rows == found.rows[:1]
    assert online.get_online_features(ROLES, [], at=at()).to_arrow().num_rows == 0


def test_the_time_of_reading_is_now_unless_it_is_given(online):
    load(online, replace(WEATHER, ttl=HOUR), ("a", datetime.now(UTC) - timedelta(minutes=59), 1.0, 2.0))
    view = view_of(replace(WEATHER, ttl=HOUR)["temp"], spine=TRIPS)
    assert online.get_online_features(view, {"trip": 1, "station": "a"}).rows[0].values == (1.0,)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        pytest.param({"station": "a"}, DefinitionError, "lacks trip", id="no_entity_key"),
        pytest.param({"trip": 1, "staton": "a"}, NotFoundError, "Did you mean 'station'", id="unknown_column"),
        pytest.param({"trip": 1, "late": True}, NotFoundError, "'late' is not in", id="the_label"),
        pytest.param({"trip": 1, "asked_at": T0}, NotFoundError, "'asked_at' is not in", id="the_time_is_not_a_column"),
        pytest.param({"trip": "1"}, DefinitionError, "gives '1' for 'trip': str where a int is promised", id="type"),
        pytest.param({"trip": True}, DefinitionError, "bool where a int", id="bool_is_no_number"),
        pytest.param({"trip": np.int64(1)}, DefinitionError, r"int64 where a int is promised\. .* have \.item", id="numpy"),
        pytest.param({"trip": 1, "temp": "warm"}, DefinitionError, "str where a float", id="type_of_a_feature"),
    ],
)
def test_requests_that_do_not_fit_are_refused(online, request_, error, message):
    with pytest.raises(error, match=message):
        online.get_online_features(VIEW, request_)


def test_a_view_follows_its_tables(online, address):
    """Loaded, widened, replaced and dropped by another store object, as by another process."""
    other = OnlineStore(address)
    request = {"trip": 1, "station": "a"}
    assert ask(online, VIEW, request)[0].statuses == ("given", "missing")
    load(other, WEATHER, ("a", at(), 1.0, 2.0))
    assert ask(online, VIEW, request)[0].values == (1.0, 2.0)
    turned = replace(make_group("weather", (Feature("kind", "string"), "wind", "temp")), online=True)
    other.update(turned, table_of(turned, ("a", at(), "snow", 4.0, 3.0)))
    assert ask(online, VIEW, request)[0].values == (3.0, 4.0)
    load(other, turned, ("a", at(), "snow", 6.0, 5.0))
    assert ask(online, VIEW, request)[0].values == (5.0, 6.0)
    other.drop(WEATHER)
    assert ask(online, VIEW, request)[0].statuses == ("given", "missing")
    load(other, WEATHER, ("a", at(), 7.0, 8.0))
    assert ask(online, VIEW, request)[0].values == (7.0, 8.0)
    other.close()


def test_a_column_that_the_table_does_not_have_yet_is_null(online):
    load(online, WEATHER, ("a", at(), 1.0, 2.0))
    wider = replace(make_group("weather", ("temp", "wind", "rain")), online=True)
    assert ask(online, view_of(wider["rain", "temp"]), {"trip": 1, "station": "a"})[0].values == (None, 1.0)


def test_readers_see_one_generation_while_tables_are_replaced(online):
    """Two groups are loaded with one value each time, in one table both columns; no row is of two loads."""
    stations = [f"s{n}" for n in range(30)]
    load(online, WEATHER, *((station, at(), 0.0, 0.0) for station in stations))
    view, seen, stop = online.view(VIEW), [], threading.Event()

    def read():
        while not stop.is_set():
            rows = view.find([{"trip": 1, "station": station} for station in stations], [us()] * 30).rows
            seen.append({value for row in rows for value in row.values})

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for value in range(1, 25):
        load(online, WEATHER, *((station, at(), float(value), float(value)) for station in stations))
    stop.set()
    for thread in threads:
        thread.join()
    assert seen
    assert all(len(values) == 1 and None not in values for values in seen)


def test_a_row_in_an_unknown_layout_is_said_to_be(embedded):
    load(embedded, WEATHER, ("a", at(), 1.0, 2.0))
    with embedded.writing() as writer:
        writer.put_many("rows:weather_v1", [(b"a\x00\x00", b"\x09" * 50)])
    with pytest.raises(OnlineStoreError, match=r"laid out in a way .* fti online load weather_v1 --full"):
        ask(embedded, VIEW, {"trip": 1, "station": "a"})


def test_a_reading_process_loads_no_engine():
    unwanted = ("duckdb", "polars", "pandas", "pyarrow", "mlflow", "dagster", "numba", "redis", "fti_assets.feature_store")
    code = (
        "import sys, fti_assets.online_store as o; from fti_assets.vocabulary import *;"
        "s = o.OnlineStore('nowhere'); s.tables();"
        f"print([name for name in {unwanted!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_columns_of_arrow_are_typed(online):
    load_roles(online)
    table = online.get_online_features(ROLES, [{"trip": 1}], at=at()).to_arrow()
    assert table.schema.field("kind").type == pa.string()
    assert table.schema.field("distance").type == pa.float64()
