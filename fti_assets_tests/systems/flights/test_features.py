from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.systems.flights import contracts, features
from fti_assets.systems.flights.staged import DAYS, STAGED_FLIGHTS, STAGED_PLANES, STAGED_WEATHER
from fti_assets_tests.conftest import FIRST, LAST

ARROW = {"string": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
ARROW["timestamp"] = pa.timestamp("us", tz="UTC")
DAY = "2013-02-10"
PIPELINES = (
    features.scheduled_flights,
    features.flight_outcomes,
    features.flight_departures,
    features.origin_delays,
    features.carrier_performance,
    features.route_performance,
    features.destination_delays,
    features.origin_weather,
    features.plane_profile,
)
DAILY_PIPELINES = [pipeline for pipeline in PIPELINES if pipeline.target.cadence]


def at(text):
    """An instant of 2013 in UTC: `02-10 15:00`. New York is five hours behind in winter."""
    return datetime.fromisoformat(f"2013-{text}").replace(tzinfo=UTC)


def flight(departure, delay=0.0, late=None, *, minutes=120, **given):
    """A staged flight: departs `delay` minutes after its time, arrives `late` (as many, unless given) after its time."""
    scheduled = at(departure)
    arrival = scheduled + timedelta(minutes=minutes)
    late = delay if late is None else late
    return {
        "carrier": "UA",
        "flight_number": 1,
        "origin": "EWR",
        "destination": "ORD",
        "tail_number": "N1",
        "scheduled_departure": scheduled,
        "scheduled_arrival": arrival,
        "departed_at": scheduled + timedelta(minutes=delay),
        "arrived_at": arrival + timedelta(minutes=late),
        "departure_delay_minutes": delay,
        "arrival_delay_minutes": late,
        "air_time_minutes": 100.0,
        "distance_miles": 719.0,
        "status": "arrived",
        **given,
    }


CANCELLED = {
    "departed_at": None,
    "arrived_at": None,
    "departure_delay_minutes": None,
    "arrival_delay_minutes": None,
    "air_time_minutes": None,
    "status": "cancelled",
}
DIVERTED = {"arrived_at": None, "arrival_delay_minutes": None, "air_time_minutes": None, "status": "diverted"}


def stage(store, staged, rows, first=None, last=None):
    schema = pa.schema([(column.name, ARROW[column.type]) for column in staged.columns])
    table = pa.Table.from_pylist(rows, schema=schema)
    store.publish(staged, table, DAYS.window(first, last) if first else None)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


def made(store, pipeline, first=None, last=None):
    """The rows that a pipeline makes of a window, as they would be published."""
    with store.connect() as connection:
        return drafted(store, connection, pipeline, DAYS.window(first, last) if first else None)


def drafted(store, connection, pipeline, window):
    rows = pipeline.rows(store, connection, window, zone=None)
    store.draft(connection, pipeline.target.table, rows, window)
    names = ", ".join(column.name for column in pipeline.target.table.columns)
    return connection.execute(f"SELECT {names} FROM draft ORDER BY ALL").to_arrow_table()


def of_flights(store, pipeline, *flights, first=DAY, last=None, since="2013-01-01"):
    """The rows that a pipeline makes of these flights, as dictionaries."""
    stage(store, STAGED_FLIGHTS, flights, since, last or first)
    return made(store, pipeline, first, last).to_pylist()


def known(rows, instant, **keys):
    """The one row of that instant and those keys."""
    wanted = {"known_at": at(instant), **keys}
    (row,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


# The spine


def test_the_spine_tells_the_schedule_in_new_york_time(store):
    (row,) = of_flights(store, features.scheduled_flights, flight("02-10 15:45", 40, minutes=165))

    assert row == {
        "carrier": "UA",
        "flight_number": 1,
        "origin": "EWR",
        "scheduled_departure": at("02-10 15:45"),
        "prediction_time": at("02-10 13:45"),
        "destination": "ORD",
        "tail_number": "N1",
        "distance_miles": 719.0,
        "scheduled_minutes": 165.0,
        "departure_minute": 10 * 60 + 45,
        "departure_hour": 10,
        "weekday": 7,
        "origin_departures": 1,
        "days_to_holiday": 7,
    }


@pytest.mark.parametrize(
    ("departure", "day", "hour", "weekday", "holiday"),
    [
        pytest.param("01-01 14:00", "2013-01-01", 9, 2, 0, id="new_year"),
        pytest.param("02-11 04:30", "2013-02-10", 23, 7, 7, id="evening_of_the_day_before_in_new_york"),
        pytest.param("02-16 14:00", "2013-02-16", 9, 6, 2, id="two_days_before_presidents_day"),
        pytest.param("03-10 13:00", "2013-03-10", 9, 7, 7, id="clocks_went_forward"),
        pytest.param("11-03 14:00", "2013-11-03", 9, 7, 7, id="clocks_went_back"),
        pytest.param("11-29 14:00", "2013-11-29", 9, 5, 1, id="day_after_thanksgiving"),
        pytest.param("12-31 14:00", "2013-12-31", 9, 2, 1, id="eve_of_the_next_new_year"),
    ],
)
def test_calendar_features(store, departure, day, hour, weekday, holiday):
    (row,) = of_flights(store, features.scheduled_flights, flight(departure), first=day)

    assert (row["departure_hour"], row["weekday"], row["days_to_holiday"]) == (hour, weekday, holiday)


def test_departures_are_counted_by_origin_and_hour(store):
    rows = of_flights(
        store,
        features.scheduled_flights,
        flight("02-10 15:00", flight_number=1),
        flight("02-10 15:59", flight_number=2, **CANCELLED),
        flight("02-10 16:00", flight_number=3),
        flight("02-10 15:30", flight_number=4, origin="JFK"),
    )

    assert {row["flight_number"]: row["origin_departures"] for row in rows} == {1: 2, 2: 2, 3: 1, 4: 1}


# A destination in Puerto Rico keeps Atlantic time: staged arrivals are in UTC, so nothing here depends on it.
def test_spine_and_outcomes_of_flights_to_puerto_rico_and_of_those_that_never_arrived(store):
    flights = (
        flight("02-10 15:00", 10, 16, flight_number=1, destination="SJU", minutes=230),
        flight("02-10 15:10", 10, 15, flight_number=2, destination="BQN", minutes=230),
        flight("02-10 15:20", flight_number=3, **CANCELLED),
        flight("02-10 15:30", 5, flight_number=4, **DIVERTED),
        flight("02-10 15:40", flight_number=5, tail_number=None, scheduled_arrival=None, arrived_at=None, status="diverted"),
    )

    spine = of_flights(store, features.scheduled_flights, *flights)
    outcomes = made(store, features.flight_outcomes, DAY).to_pylist()

    assert [row["flight_number"] for row in spine] == [1, 2, 3, 4, 5]
    assert [row["scheduled_minutes"] for row in spine] == [230, 230, 120, 120, None]
    assert [(row["flight_number"], row["arrived_late"]) for row in outcomes] == [(1, True), (2, False)]
    assert known(outcomes, "02-10 19:06")["arrival_delay_minutes"] == 16


def test_an_outcome_stands_in_the_partition_of_its_arrival(store):
    overnight = flight("02-11 02:00", 0, 600)  # 21:00 in New York; arrives at 09:00 of the 11th

    assert of_flights(store, features.flight_outcomes, overnight, first="2013-02-10", last="2013-02-11") != []
    assert made(store, features.flight_outcomes, "2013-02-10").to_pylist() == []
    (row,) = made(store, features.flight_outcomes, "2013-02-11").to_pylist()
    assert row["known_at"] == at("02-11 14:00")


def test_departures_are_known_when_they_happen_and_cancelled_flights_have_none(store):
    rows = of_flights(
        store,
        features.flight_departures,
        flight("02-10 14:00", 30.0, flight_number=1),
        flight("02-10 15:10", -5.0, flight_number=2, **DIVERTED),
        flight("02-10 15:15", flight_number=3, **CANCELLED),
    )

    assert [(row["flight_number"], row["known_at"], row["departure_delay_minutes"]) for row in rows] == [
        (1, at("02-10 14:30"), 30.0),
        (2, at("02-10 15:05"), -5.0),
    ]
    assert rows[0]["scheduled_departure"] == at("02-10 14:00")


def test_a_departure_stands_in_the_partition_of_the_day_on_which_it_left(store):
    overnight = flight("02-11 02:00", 1_301.0)  # 21:00 in New York; the latest departure of the year was as late as that

    assert len(of_flights(store, features.flight_departures, overnight, first="2013-02-10", last="2013-02-11")) == 1
    assert made(store, features.flight_departures, "2013-02-10").to_pylist() == []
    (row,) = made(store, features.flight_departures, "2013-02-11").to_pylist()
    assert row["known_at"] == at("02-11 23:41")


# Delays at the origin


def test_origin_delays(store):
    rows = of_flights(
        store,
        features.origin_delays,
        flight("02-10 14:00", 30.0, flight_number=1),  # left at 14:30
        flight("02-10 15:10", -5.0, flight_number=2),  # left at 15:05
        flight("02-10 15:20", 20.0, flight_number=3),  # left at 15:40
        flight("02-10 15:15", flight_number=4, **CANCELLED),
        flight("02-10 15:15", 99.0, flight_number=5, origin="JFK"),
    )

    assert len([row for row in rows if row["origin"] == "EWR"]) == 96
    assert known(rows, "02-10 14:15", origin="EWR") == {
        "origin": "EWR",
        "known_at": at("02-10 14:15"),
        "origin_delay_1h": None,
        "origin_departures_1h": 0,
        "origin_delay_3h": None,
        "origin_departures_3h": 0,
        "origin_overdue": 1,
        "city_delay_2h": None,
    }
    seen = known(rows, "02-10 15:45", origin="EWR")
    assert (seen["origin_delay_1h"], seen["origin_departures_1h"]) == ((-5 + 20) / 2, 2)
    assert (seen["origin_delay_3h"], seen["origin_departures_3h"]) == ((30 - 5 + 20) / 3, 3)


@pytest.mark.parametrize(
    ("instant", "departures"),
    [
        pytest.param("02-10 14:15", 0, id="before"),
        pytest.param("02-10 14:30", 1, id="at_the_departure_itself"),
        pytest.param("02-10 15:30", 1, id="an_hour_later"),
        pytest.param("02-10 15:45", 0, id="more_than_an_hour_later"),
    ],
)
def test_the_window_of_origin_delays_holds_both_its_ends(store, instant, departures):
    rows = of_flights(store, features.origin_delays, flight("02-10 14:00", 30.0))

    assert known(rows, instant)["origin_departures_1h"] == departures


@pytest.mark.parametrize(
    ("instant", "overdue"),
    [
        pytest.param("02-10 15:00", 0, id="not_yet"),
        pytest.param("02-10 15:15", 2, id="after_a_quarter_of_an_hour"),
        pytest.param("02-10 15:45", 2, id="still_there"),
        pytest.param("02-10 16:00", 1, id="left_at_this_very_moment"),
        pytest.param("02-10 17:45", 1, id="cancelled"),
        pytest.param("02-10 18:00", 0, id="after_three_hours"),
    ],
)
@pytest.mark.parametrize(
    ("pipeline", "feature"), [(features.origin_delays, "origin_overdue"), (features.carrier_performance, "carrier_overdue")]
)
def test_flights_are_overdue_until_they_leave(store, pipeline, feature, instant, overdue):
    if pipeline is features.carrier_performance and not instant.endswith("00"):
        pytest.skip("carriers are looked at by the hour")
    rows = of_flights(
        store,
        pipeline,
        flight("02-10 15:00", 60.0, flight_number=1),
        flight("02-10 15:00", flight_number=2, **CANCELLED),
        flight("02-10 15:00", 15.0, flight_number=3),  # leaves when it would become overdue
        flight("02-10 15:00", 60.0, flight_number=4, origin="JFK", carrier="AA"),
        flight("02-09 15:00", 16.0, flight_number=5),
    )

    assert known(rows, instant, origin="EWR")[feature] == overdue


def test_a_flight_that_leaves_after_three_hours_counts_no_longer(store):
    rows = of_flights(store, features.origin_delays, flight("02-10 15:00", 300.0))

    assert [known(rows, f"02-10 {hour}:00")["origin_overdue"] for hour in (17, 18, 20, 21)] == [1, 0, 0, 0]


def test_the_delay_of_the_city_is_that_of_all_origins(store):
    rows = of_flights(
        store,
        features.origin_delays,
        flight("02-10 15:00", 10.0, flight_number=1),
        flight("02-10 15:00", 40.0, flight_number=2, origin="JFK"),
    )

    assert [known(rows, "02-10 15:45", origin=origin)["city_delay_2h"] for origin in ("EWR", "JFK")] == [25.0, 25.0]
    assert known(rows, "02-10 17:15", origin="EWR")["city_delay_2h"] == 40.0  # left at 15:40; 15:10 is out of the window


def test_the_first_hours_of_a_day_know_the_evening_before(store):
    rows = of_flights(store, features.origin_delays, flight("02-10 03:30", 60.0))  # left at 23:30 of the 9th, New York

    first = known(rows, "02-10 05:00")
    assert (first["origin_departures_1h"], first["origin_delay_1h"]) == (1, 60.0)


@pytest.mark.parametrize(
    ("day", "hours"),
    [pytest.param("2013-03-10", 23, id="clocks_go_forward"), pytest.param("2013-11-03", 25, id="clocks_go_back")],
)
def test_a_day_has_as_many_quarters_as_the_clocks_give_it(store, day, hours):
    noon = f"{day[5:]} 17:00"

    assert len(of_flights(store, features.origin_delays, flight(noon), first=day)) == 4 * hours


# Carriers and routes


def test_carrier_performance(store):
    rows = of_flights(
        store,
        features.carrier_performance,
        flight("02-03 15:00", 20.0, 16.0, flight_number=1),  # arrived at 17:16 a week earlier
        flight("02-09 15:00", 20.0, 15.0, flight_number=2),  # not late
        flight("02-10 15:00", 6.0, 40.0, flight_number=3),  # left at 15:06, arrived at 17:40
        flight("02-10 15:00", 99.0, flight_number=4, carrier="AA"),
        flight("02-10 15:00", flight_number=5, **CANCELLED),
    )

    before = known(rows, "02-10 15:00", carrier="UA")
    assert (before["carrier_delay_3h"], before["carrier_late_share_7d"]) == (None, 1 / 2)
    departed = known(rows, "02-10 16:00", carrier="UA")
    assert (departed["carrier_delay_3h"], departed["carrier_late_share_7d"]) == (6.0, 1 / 2)
    arrived = known(rows, "02-10 18:00", carrier="UA")
    assert (arrived["carrier_delay_3h"], arrived["carrier_late_share_7d"]) == (6.0, 1 / 2)  # the oldest is out of the window
    assert known(rows, "02-10 19:00", carrier="UA")["carrier_delay_3h"] is None
    assert {row["carrier"] for row in rows} == {"UA", "AA"}
    assert not [row for row in rows if row["carrier"] == "AA" and row["known_at"] < at("02-10 18:39")]


def test_route_performance(store):
    rows = of_flights(
        store,
        features.route_performance,
        flight("01-14 15:00", 0.0, 60.0, flight_number=1),  # arrived at 18:00, 27 days earlier
        flight("02-10 08:00", 0.0, -10.0, flight_number=2),  # arrived at 09:50
        flight("02-10 15:00", 0.0, 20.0, flight_number=3),  # arrived at 17:20
        flight("02-10 15:00", 0.0, 90.0, flight_number=4, destination="BOS"),
        flight("02-10 15:00", flight_number=5, **DIVERTED),
    )

    morning = known(rows, "02-10 10:00", destination="ORD")
    assert (morning["route_late_share_28d"], morning["route_arrival_delay_6h"]) == (1 / 2, -10.0)
    evening = known(rows, "02-10 18:00", destination="ORD")
    assert (evening["route_late_share_28d"], evening["route_arrival_delay_6h"]) == (2 / 3, 20.0)


def test_destination_delays(store):
    rows = of_flights(
        store,
        features.destination_delays,
        flight("02-09 15:00", 0.0, 30.0, flight_number=1),  # arrived at 17:30 of the day before
        flight("02-10 08:00", 0.0, -10.0, flight_number=2, origin="JFK"),  # arrived at 09:50
        flight("02-10 15:00", 0.0, 20.0, flight_number=3),  # arrived at 17:20
        flight("02-10 15:00", 0.0, 90.0, flight_number=4, destination="BOS"),
        flight("02-10 15:00", flight_number=5, **DIVERTED),
    )

    morning = known(rows, "02-10 10:00", destination="ORD")
    assert (morning["destination_late_share_24h"], morning["destination_delay_6h"]) == (1 / 2, -10.0)
    afternoon = known(rows, "02-10 16:00", destination="ORD")
    assert (afternoon["destination_late_share_24h"], afternoon["destination_delay_6h"]) == (1 / 2, None)
    evening = known(rows, "02-10 18:00", destination="ORD")
    assert (evening["destination_late_share_24h"], evening["destination_delay_6h"]) == (1 / 2, 20.0)


def test_a_share_of_28_days_on_the_third_day_of_a_range_equals_that_over_all_data(store):
    flights = [flight(f"01-{day:02d} 15:00", 0.0, 16.0 * (day % 3 == 0), flight_number=day) for day in range(2, 32)]
    flights += [flight(f"02-{day:02d} 15:00", 0.0, 16.0, flight_number=40 + day) for day in range(1, 4)]
    rows = of_flights(store, features.route_performance, *flights, first="2013-02-01", last="2013-02-03")

    instant = at("02-03 20:00")
    seen = [one for one in flights if instant - timedelta(days=28) <= one["arrived_at"] <= instant]
    share = sum(one["arrival_delay_minutes"] > 15 for one in seen) / len(seen)
    assert known(rows, "02-03 20:00")["route_late_share_28d"] == pytest.approx(share, abs=1e-12)
    assert len(seen) < len(flights)


# Weather and planes


def test_weather_is_known_a_quarter_of_an_hour_after_it_was_observed(store):
    observed = {"origin": "EWR", "temp_f": 30.5, "wind_mph": 12.0, "gust_mph": None, "visibility_miles": 9.0}
    stage(store, STAGED_WEATHER, [{**observed, "observed_at": at("02-10 15:00")}], "2013-02-09", DAY)

    (row,) = made(store, features.origin_weather, DAY).to_pylist()

    assert (row["known_at"], row["temp_f"], row["gust_mph"]) == (at("02-10 15:15"), 30.5, None)


def test_weather_observed_just_before_midnight_is_known_on_the_next_day(store):
    stage(store, STAGED_WEATHER, [{"origin": "EWR", "observed_at": at("02-10 04:50")}], "2013-02-09", DAY)

    assert len(made(store, features.origin_weather, DAY)) == 1
    assert len(made(store, features.origin_weather, "2013-02-09")) == 0


def test_planes_are_what_the_register_says(store):
    stage(store, STAGED_PLANES, [{"tail_number": "N1", "manufacture_year": 1999, "manufacturer": "BOEING", "seats": 149}])

    (row,) = made(store, features.plane_profile).to_pylist()

    assert row == {"tail_number": "N1", "manufacture_year": 1999, "manufacturer": "BOEING", "engine": None, "seats": 149}


# Real data


SOME_DAYS = (FIRST, "2013-01-02", "2013-01-08", "2013-01-28", "2013-01-29", "2013-01-31", "2013-02-01", LAST)
"""Days before which there is nothing, a week, four weeks and more, and the border of a month."""


@pytest.mark.parametrize("pipeline", DAILY_PIPELINES, ids=lambda pipeline: pipeline.name)
def test_days_of_five_weeks_at_once_equal_those_days_one_by_one(flights_house, pipeline):
    store, table = flights_house.store, pipeline.target.table
    with store.connect() as connection:
        names = ", ".join(column.name for column in table.columns)
        windows = [DAYS.window(day) for day in SOME_DAYS]
        published = [store.read(connection, table, window).select(names).to_arrow_table() for window in windows]
        days = [drafted(store, connection, pipeline, window) for window in windows]

    at_once, by_day = (
        pa.concat_tables(rows).to_pandas().sort_values(list(table.key)).reset_index(drop=True) for rows in (published, days)
    )
    assert len(at_once) > 500
    pd.testing.assert_frame_equal(by_day, at_once, check_exact=False, rtol=1e-9)


def test_the_share_of_a_real_route_equals_one_counted_from_the_staged_flights(flights_house):
    instant = at("02-03 23:00")
    with flights_house.store.connect() as connection:
        staged = flights_house.store.read(connection, STAGED_FLIGHTS.table).to_arrow_table().to_pylist()
        route = flights_house.store.read(connection, contracts.ROUTE_PERFORMANCE.table)
        rows = route.filter("origin = 'LGA' AND destination = 'ATL'").to_arrow_table().to_pylist()
    arrived = [
        one
        for one in staged
        if (one["origin"], one["destination"], one["status"]) == ("LGA", "ATL", "arrived")
        and instant - timedelta(days=28) <= one["arrived_at"] <= instant
    ]

    share = sum(one["arrival_delay_minutes"] > 15 for one in arrived) / len(arrived)

    assert len(arrived) > 500
    assert known(rows, "02-03 23:00")["route_late_share_28d"] == pytest.approx(share, abs=1e-12)


def completed(store):
    """What is known of each flight of the last of two days at its prediction time."""
    with store.connect() as connection:
        spine = store.read(connection, contracts.SCHEDULED_FLIGHTS.table, DAYS.window(DAY))
        rows = store.complete(connection, spine, contracts.FLIGHT_DELAY).to_arrow()
    return {row["flight_number"]: row for row in rows.to_pylist()}


def publish_features(store):
    with store.connect() as connection:
        for pipeline in PIPELINES:
            window = DAYS.window("2013-02-09", DAY) if pipeline.target.cadence else None
            drafted(store, connection, pipeline, window)
            store.publish_draft(connection, pipeline.target, window)


def test_no_feature_uses_anything_of_the_flight_itself(store):
    flights = [
        flight(f"02-{day} {hour}:00", 7.0, flight_number=int(f"{day}{hour}")) for day in ("09", "10") for hour in range(11, 24)
    ]
    stage(store, STAGED_WEATHER, [{"origin": "EWR", "observed_at": at("02-10 12:00"), "temp_f": 30.0}], "2013-02-09", DAY)
    stage(store, STAGED_PLANES, [{"tail_number": "N1", "seats": 100}])
    stage(store, STAGED_FLIGHTS, flights, "2013-02-09", DAY)
    publish_features(store)
    before = completed(store)
    assert (before[1018]["origin_delay_3h"], before[1018]["origin_departures_3h"]) == (7.0, 3)
    assert (before[1018]["origin_delay_1h"], before[1018]["origin_departures_1h"]) == (7.0, 1)
    assert before[1018]["scheduled_speed_mph"] == 719 / 2
    assert before[1018]["plane_age_years"] is None
    assert before[1018]["route_late_share_28d"] == 0.0

    changed = [
        flight(f"02-{day} {hour}:00", 200.0 if (day, hour) == ("10", 18) else 7.0, flight_number=int(f"{day}{hour}"))
        for day in ("09", "10")
        for hour in range(11, 24)
    ]
    stage(store, STAGED_FLIGHTS, changed, "2013-02-09", DAY)
    publish_features(store)
    after = completed(store)

    assert after[1018] == before[1018]
    assert {number for number in before if after[number] != before[number]} <= {1019, 1020, 1021, 1022, 1023}
    assert any(after[number] != before[number] for number in (1022, 1023))


def test_windows_before_a_prediction_hold_the_departures_that_happened_by_then(store):
    flights = [
        flight("02-10 20:00", flight_number=1),  # predicted at 18:00
        flight("02-10 14:55", 5.0, flight_number=2),  # left at 15:00, three hours before: no longer counts
        flight("02-10 14:55", 6.0, flight_number=3),
        flight("02-10 17:00", 0.5, flight_number=4),
        flight("02-10 17:30", 30.0, flight_number=5),  # left at 18:00 sharp
        flight("02-10 17:30", 31.0, flight_number=6),
        flight("02-10 17:30", 0.0, flight_number=7, origin="JFK"),
        flight("02-10 17:30", flight_number=8, **CANCELLED),
    ]
    stage(store, STAGED_WEATHER, [{"origin": "EWR", "observed_at": at("02-10 12:00"), "temp_f": 30.0}], "2013-02-09", DAY)
    stage(store, STAGED_PLANES, [{"tail_number": "N1", "manufacture_year": 2000}])
    stage(store, STAGED_FLIGHTS, flights, "2013-02-09", DAY)
    publish_features(store)

    row = completed(store)[1]

    assert (row["origin_departures_1h"], row["origin_delay_1h"]) == (2, (0.5 + 30) / 2)
    assert (row["origin_departures_3h"], row["origin_delay_3h"]) == (3, (6 + 0.5 + 30) / 3)
    assert row["plane_age_years"] == pytest.approx(13 + 40.75 / 365.2425, abs=1e-2)


def test_real_windows_equal_those_counted_from_the_staged_flights(flights_house):
    store = flights_house.store
    with store.connect() as connection:
        staged = store.read(connection, STAGED_FLIGHTS.table).to_arrow_table().to_pylist()
        spine = store.read(connection, contracts.SCHEDULED_FLIGHTS.table, DAYS.window("2013-01-20"))
        rows = store.complete(connection, spine, contracts.FLIGHT_DELAY).to_arrow().to_pylist()
    left = [(one["origin"], one["departed_at"], one["departure_delay_minutes"]) for one in staged if one["departed_at"]]

    assert len(rows) > 700
    for row in rows[:: len(rows) // 60]:
        for hours in (1, 3):
            since = row["prediction_time"] - timedelta(hours=hours)
            delays = [delay for origin, at, delay in left if origin == row["origin"] and since < at <= row["prediction_time"]]
            assert row[f"origin_departures_{hours}h"] == len(delays)
            assert row[f"origin_delay_{hours}h"] == (pytest.approx(sum(delays) / len(delays)) if delays else None)
