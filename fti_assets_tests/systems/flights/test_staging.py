from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from fti_assets.collection import LandingZone, read_csv
from fti_assets.systems.flights import staging
from fti_assets.systems.flights.delivery import deliver
from fti_assets.systems.flights.staged import STAGED_AIRPORTS, STAGED_TABLES

SELECTS = {
    "airports": staging.AIRPORTS,
    "flights": staging.FLIGHTS,
    "weather": staging.WEATHER,
    "planes": staging.PLANES,
    "airlines": staging.AIRLINES,
}
STORED_AS = {"string": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "timestamp": "TIMESTAMP WITH TIME ZONE"}

AIRPORT = {
    "faa": "JFK",
    "name": "X",
    "lat": "40.6",
    "lon": "-73.8",
    "alt": "13",
    "tz": "-5",
    "dst": "A",
    "tzone": "America/New_York",
}
ZONES = {
    "JFK": "America/New_York",
    "ORD": "America/Chicago",
    "LAX": "America/Los_Angeles",
    "PHX": "America/Phoenix",
    "HNL": "Pacific/Honolulu",
    "YAK": "NA",
    "ZZZ": "America/Atlantis",
}
FLIGHT = {
    "year": "2013",
    "month": "1",
    "day": "15",
    "dep_time": "805",
    "sched_dep_time": "800",
    "dep_delay": "5",
    "arr_time": "1020",
    "sched_arr_time": "1000",
    "arr_delay": "20",
    "carrier": "UA",
    "flight": "1",
    "tailnum": "N1",
    "origin": "EWR",
    "dest": "ORD",
    "air_time": "110",
    "distance": "719",
    "hour": "8",
    "minute": "0",
    "time_hour": "2013-01-15T13:00:00Z",
}
CANCELLED = {"dep_time": "NA", "dep_delay": "NA", "arr_time": "NA", "arr_delay": "NA", "air_time": "NA"}
DIVERTED = {"arr_delay": "NA", "air_time": "NA"}
WEATHER = {
    "origin": "JFK",
    "year": "2013",
    "month": "5",
    "day": "8",
    "hour": "12",
    "temp": "57",
    "dewp": "54",
    "humid": "89",
    "wind_dir": "270",
    "wind_speed": "10",
    "wind_gust": "NA",
    "precip": "0",
    "pressure": "1012",
    "visib": "10",
    "time_hour": "2013-05-08T16:00:00Z",
}


def utc(text):
    return datetime.fromisoformat(f"2013-{text}").replace(tzinfo=UTC)


@pytest.fixture
def con():
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; set threads = 2")
        yield connection


@pytest.fixture
def stage(con, tmp_path):
    """Stages literal rows as text, which take the way of all delivered files: through `read_csv`."""

    def stage(source, *rows):
        columns = staging.RAW_COLUMNS[source]
        file = tmp_path / f"{source}.csv"
        lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]
        file.write_text("\n".join(lines) + "\n")
        read_csv(con, [file], columns, expected_rows=len(rows)).create_view(f"raw_{source}", replace=True)
        result = con.sql(SELECTS[source])
        return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]

    return stage


@pytest.fixture
def stage_flight(con, stage):
    stage("airports", *({**AIRPORT, "faa": code, "tzone": zone} for code, zone in ZONES.items()))
    con.execute(f"create table airports as {staging.AIRPORTS}")

    def stage_flight(**values):
        (flight,) = stage("flights", {**FLIGHT, **values})
        return flight

    return stage_flight


def test_flight_that_arrived(stage_flight):
    assert stage_flight() == {
        "carrier": "UA",
        "flight_number": 1,
        "origin": "EWR",
        "destination": "ORD",
        "tail_number": "N1",
        "scheduled_departure": utc("01-15 13:00"),
        "scheduled_arrival": utc("01-15 16:00"),
        "departed_at": utc("01-15 13:05"),
        "arrived_at": utc("01-15 16:20"),
        "departure_delay_minutes": 5.0,
        "arrival_delay_minutes": 20.0,
        "air_time_minutes": 110.0,
        "distance_miles": 719.0,
        "status": "arrived",
    }


def test_cancelled_flight_keeps_its_schedule(stage_flight):
    flight = stage_flight(**CANCELLED)
    assert flight["status"] == "cancelled"
    assert flight["scheduled_arrival"] == utc("01-15 16:00")
    assert {name for name, value in flight.items() if value is None} == {
        *("departed_at", "arrived_at", "departure_delay_minutes", "arrival_delay_minutes", "air_time_minutes")
    }


@pytest.mark.parametrize("arr_time", [pytest.param("1830", id="landed_somewhere"), pytest.param("NA", id="no_landing_on_record")])
def test_diverted_flight_departed_and_did_not_arrive(stage_flight, arr_time):
    flight = stage_flight(**DIVERTED, arr_time=arr_time)
    assert flight["status"] == "diverted"
    assert flight["departed_at"] == utc("01-15 13:05")
    assert flight["arrived_at"] is None


@pytest.mark.parametrize("tailnum", ["NA", ""])
def test_missing_tail_number_is_null(stage_flight, tailnum):
    assert stage_flight(**CANCELLED, tailnum=tailnum)["tail_number"] is None


@pytest.mark.parametrize(
    ("values", "scheduled", "arrived"),
    [
        pytest.param(
            {"time_hour": "2013-01-16T03:00:00Z", "sched_arr_time": "5"}, "01-16 06:05", "01-16 06:25", id="after_midnight"
        ),
        pytest.param({"sched_arr_time": "2355", "arr_delay": "20"}, "01-16 05:55", "01-16 06:15", id="midnight_through_delay"),
        pytest.param({"time_hour": "2013-01-16T03:00:00Z", "sched_arr_time": "2400"}, "01-16 06:00", "01-16 06:20", id="2400"),
        pytest.param({"time_hour": "2013-01-16T03:00:00Z", "sched_arr_time": "0"}, "01-16 06:00", "01-16 06:20", id="0000"),
        pytest.param({"arr_delay": "-30"}, "01-15 16:00", "01-15 15:30", id="early"),
        pytest.param({"arr_delay": "1500"}, "01-15 16:00", "01-16 17:00", id="more_than_a_day_late"),
        pytest.param({"sched_arr_time": "805", "minute": "55"}, "01-15 14:05", "01-15 14:25", id="clock_almost_stands_still"),
        pytest.param({"dest": "JFK", "sched_arr_time": "900"}, "01-15 14:00", "01-15 14:20", id="same_zone"),
        pytest.param({"dest": "LAX", "sched_arr_time": "1130"}, "01-15 19:30", "01-15 19:50", id="pacific"),
        pytest.param({"dest": "PHX", "sched_arr_time": "1130"}, "01-15 18:30", "01-15 18:50", id="arizona_in_winter"),
        pytest.param(
            {"dest": "PHX", "sched_arr_time": "1030", "time_hour": "2013-07-15T12:00:00Z"},
            "07-15 17:30",
            "07-15 17:50",
            id="arizona_in_summer",
        ),
        pytest.param({"dest": "HNL", "sched_arr_time": "1330"}, "01-15 23:30", "01-15 23:50", id="hawaii"),
        pytest.param(
            {"dest": "HNL", "sched_arr_time": "30", "time_hour": "2013-01-16T00:00:00Z"},
            "01-16 10:30",
            "01-16 10:50",
            id="hawaii_by_night",
        ),
        pytest.param({"dest": "SJU", "sched_arr_time": "1245"}, "01-15 16:45", "01-15 17:05", id="puerto_rico"),
        pytest.param(
            {"dest": "SJU", "sched_arr_time": "1145", "time_hour": "2013-07-15T12:00:00Z"},
            "07-15 15:45",
            "07-15 16:05",
            id="puerto_rico_in_summer",
        ),
    ],
)
def test_arrival_is_the_next_time_that_the_destinations_clock_shows(stage_flight, values, scheduled, arrived):
    flight = stage_flight(**values)
    assert (flight["scheduled_arrival"], flight["arrived_at"]) == (utc(scheduled), utc(arrived))


@pytest.mark.parametrize(
    ("departure", "sched_arr_time", "scheduled"),
    [
        pytest.param("2013-03-10T04:00:00Z", "630", "03-10 13:30", id="spring_over_the_change"),
        pytest.param("2013-03-10T04:00:00Z", "159", "03-10 09:59", id="spring_just_before"),
        pytest.param("2013-03-10T04:00:00Z", "300", "03-10 10:00", id="spring_just_after"),
        pytest.param("2013-03-10T04:00:00Z", "230", "03-10 10:30", id="spring_time_that_does_not_exist"),
        pytest.param("2013-11-03T03:00:00Z", "59", "11-03 07:59", id="autumn_before"),
        pytest.param("2013-11-03T03:00:00Z", "130", "11-03 08:30", id="autumn_first_of_two"),
        pytest.param("2013-11-03T08:30:00Z", "115", "11-03 09:15", id="autumn_second_of_two"),
        pytest.param("2013-11-03T03:00:00Z", "200", "11-03 10:00", id="autumn_after"),
    ],
)
def test_clocks_that_change_under_way(stage_flight, departure, sched_arr_time, scheduled):
    """Clocks change in Los Angeles at 10:00 UTC on 10 March and at 09:00 UTC on 3 November."""
    flight = stage_flight(time_hour=departure[:14] + "00:00Z", minute=departure[14:16], dest="LAX", sched_arr_time=sched_arr_time)
    assert flight["scheduled_arrival"] == utc(scheduled)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"dest": "XXX"}, id="unknown_destination"),
        pytest.param({"dest": "YAK"}, id="airport_without_zone"),
        pytest.param({"dest": "ZZZ"}, id="zone_that_does_not_exist"),
        pytest.param({"sched_arr_time": "1275"}, id="no_time_of_day"),
        pytest.param({"sched_arr_time": "NA"}, id="no_schedule"),
    ],
)
def test_arrival_that_cannot_be_known_keeps_the_row(stage_flight, values):
    flight = stage_flight(**values)
    assert (flight["scheduled_arrival"], flight["arrived_at"]) == (None, None)
    assert (flight["departed_at"], flight["arrival_delay_minutes"], flight["status"]) == (utc("01-15 13:05"), 20.0, "arrived")


@pytest.fixture
def stage_hours(stage):
    def stage_hours(*changes):
        rows = [{**WEATHER, **change} for change in changes]
        return sorted(stage("weather", *rows), key=lambda row: row["observed_at"])

    return stage_hours


def hour(number, temp="57", **values):
    return {"hour": str(number - 4), "time_hour": f"2013-05-08T{number:02d}:00:00Z", "temp": temp, **values}


def test_weather_hour(stage_hours):
    assert stage_hours({}) == [
        {
            "origin": "JFK",
            "observed_at": utc("05-08 16:00"),
            "temp_f": 57.0,
            "dewpoint_f": 54.0,
            "humidity_pct": 89.0,
            "wind_direction_deg": 270.0,
            "wind_mph": 10.0,
            "gust_mph": None,
            "precipitation_in": 0.0,
            "pressure_mb": 1012.0,
            "visibility_miles": 10.0,
        }
    ]


def test_na_texts_are_null(stage_hours):
    unknown = dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"), "NA")
    (row,) = stage_hours(unknown)
    assert [name for name, value in row.items() if value is not None] == ["origin", "observed_at"]


def test_repeated_hour_keeps_its_most_complete_row_whatever_the_order(stage_hours):
    rows = [{"temp": "50", "pressure": "NA"}, {"temp": "58"}, {"temp": "57"}]
    assert stage_hours(*rows) == stage_hours(*reversed(rows))
    assert [row["temp_f"] for row in stage_hours(*rows)] == [57.0]


def test_hour_that_the_clock_shows_twice_is_two_hours(stage_hours):
    twice = {"month": "11", "day": "3", "hour": "1"}
    rows = stage_hours({**twice, "time_hour": "2013-11-03T05:00:00Z"}, {**twice, "time_hour": "2013-11-03T06:00:00Z"})
    assert [row["observed_at"] for row in rows] == [utc("11-03 05:00"), utc("11-03 06:00")]


def test_absurd_wind_is_null_and_the_rest_is_kept(stage_hours):
    (row,) = stage_hours({"wind_speed": "1048.36058", "wind_gust": "1206.4"})
    assert (row["wind_mph"], row["gust_mph"], row["temp_f"]) == (None, None, 57.0)


@pytest.mark.parametrize(
    ("hours", "temps"),
    [
        pytest.param([hour(10), hour(11, "13.1"), hour(12)], [57.0, None, 57.0], id="down"),
        pytest.param([hour(10), hour(11, "99"), hour(12)], [57.0, None, 57.0], id="up"),
        pytest.param([hour(10), hour(12, "13.1"), hour(14)], [57.0, None, 57.0], id="over_gaps"),
        pytest.param([hour(10), hour(13, "13.1")], [57.0, 13.1], id="hour_before_too_far"),
        pytest.param([hour(10), hour(11, "20"), hour(12, "20")], [57.0, None, 20.0], id="a_real_fall_is_believed_an_hour_later"),
        pytest.param([hour(10), hour(11, "13.1")], [57.0, None], id="without_looking_ahead"),
        pytest.param([hour(10), hour(11, "13.1", origin="EWR"), hour(12)], [57.0, 13.1, 57.0], id="other_airport"),
        pytest.param([hour(10), hour(11), hour(12, "13.1", day="9")], [57.0, 57.0, 13.1], id="other_day_so_that_ranges_equal_days"),
        pytest.param([hour(10, "NA"), hour(11), hour(12)], [None, 57.0, 57.0], id="unknown_hour_before"),
    ],
)
def test_temperature_that_jumps_is_null(stage_hours, hours, temps):
    rows = stage_hours(*hours)
    assert [row["temp_f"] for row in rows] == temps
    assert [row["dewpoint_f"] for row in rows if row["temp_f"] is None and row["humidity_pct"] is None] in ([], [None])


def test_gap_in_the_weather_stays_a_gap(stage_hours):
    assert [row["observed_at"].hour for row in stage_hours(hour(10), hour(15))] == [10, 15]
    assert stage_hours() == []


def test_airports_are_completed_and_corrected(stage):
    china = {**AIRPORT, "faa": "DVT", "lat": "33.4117", "lon": "112.457", "tzone": "Asia/Chongqing"}
    rows = stage("airports", AIRPORT, china, {**AIRPORT, "faa": "YAK", "tzone": "NA"}, {**AIRPORT, "faa": "STT", "name": "Theirs"})
    airports = {row["code"]: row for row in rows}
    assert sorted(airports) == ["BQN", "DVT", "JFK", "PSE", "SJU", "STT", "YAK"]
    assert {airports[code]["timezone"] for code in ("BQN", "PSE", "SJU")} == {"America/Puerto_Rico"}
    assert airports["STT"]["name"] == "Theirs"
    assert (airports["DVT"]["longitude"], airports["DVT"]["timezone"]) == (-112.457, "America/Phoenix")
    assert airports["YAK"]["timezone"] is None
    assert airports["JFK"]["latitude"] == 40.6


def test_planes_and_airlines(stage):
    values = ["N1", "NA", "Fixed wing multi engine", "BOEING", "737", "2", "149", "NA", "Turbo-fan"]
    plane = dict(zip(staging.RAW_COLUMNS["planes"], values, strict=True))
    (row,) = stage("planes", plane)
    assert (row["tail_number"], row["manufacture_year"], row["engines"], row["seats"]) == ("N1", None, 2, 149)
    assert stage("airlines", {"carrier": "UA", "name": "United Air Lines Inc."}) == [
        {"carrier": "UA", "name": "United Air Lines Inc."}
    ]


@pytest.fixture(scope="module")
def some_real_days(tmp_path_factory):
    """Days about both changes of the clocks, in the summer, and the one of the absurd temperature; staged in one connection."""
    zone = LandingZone(tmp_path_factory.mktemp("landing"))
    for first, last in (
        ("2013-03-08", "2013-03-10"),
        ("2013-05-08", "2013-05-08"),
        ("2013-07-01", "2013-07-02"),
        ("2013-11-01", "2013-11-03"),
    ):
        deliver(zone, first=first, last=last)
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'; set threads = 2")
        for source in SELECTS:  # the airports come first, since flights read them
            daily = source in ("flights", "weather")
            files = [zone.file(source, day) for day in zone.days()] if daily else [zone.reference_file(source)]
            rows = zone.check(source, zone.days()) if daily else zone.check_reference(source)
            read_csv(con, files, staging.RAW_COLUMNS[source], expected_rows=rows).create_view(f"raw_{source}")
            con.execute(f"create table {source} as {SELECTS[source]}")
        yield con


@pytest.mark.parametrize("staged", STAGED_TABLES, ids=lambda staged: staged.name)
def test_staged_rows_are_as_declared(some_real_days, staged):
    described = some_real_days.execute(f"describe {staged.name}").fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [(column.name, STORED_AS[column.type]) for column in staged.columns]
    rows, keys = some_real_days.execute(f"select count(*), count(distinct ({', '.join(staged.key)})) from {staged.name}").fetchone()
    assert rows == keys > 0
    assert some_real_days.execute(f"select count(*) from raw_{staged.name}").fetchone()[0] == rows - (
        4 if staged is STAGED_AIRPORTS else 0
    )


def test_real_arrivals_agree_with_the_destinations_clock_and_the_time_in_the_air(some_real_days):
    """An oracle from columns that staging does not use: arr_time, and departure plus air time."""
    rows, clock, flown = some_real_days.execute(
        """
        select
            count(*),
            count(*) filter (strftime(arrived_at at time zone timezone, '%H%M')::int = arr_time % 2400),
            count(*) filter (departed_at + to_seconds(60 * air_time_minutes) <= arrived_at)
        from flights
        join raw_flights on raw_flights.carrier = flights.carrier and flight = flight_number
            and time_hour = date_trunc('hour', scheduled_departure)
        join airports on code = destination
        where status = 'arrived'
        """
    ).fetchone()
    assert rows == flown > 7000
    # B6 35 of 9 March says that it landed at 02:03 on the 10th, when clocks in New York went from 01:59 to 03:00.
    assert rows - clock == 1


def test_real_temperature_that_is_a_mistake(some_real_days):
    wrong = some_real_days.execute("select origin, observed_at from weather where temp_f is null").fetchall()
    assert wrong == [("JFK", utc("05-09 02:00"))]
