"""Feature pipelines of the flights system: staged tables in, feature groups out. Event time is when a value could be known."""

from __future__ import annotations

from fti_assets.pipelines import Relation, Sql, feature_pipeline
from fti_assets.systems.flights import contracts
from fti_assets.systems.flights.staged import STAGED_FLIGHTS, STAGED_PLANES, STAGED_WEATHER

# An arrival becomes known up to 33 hours after the scheduled departure whose day decides the partition of a staged flight.
ARRIVAL_DAYS = 2
# A departure, at most a day late: no later than the day after.
DEPARTURE_DAYS = 1


@feature_pipeline(contracts.SCHEDULED_FLIGHTS, reads=[STAGED_FLIGHTS])
def scheduled_flights(sql: Sql) -> Relation:
    """The schedule of each flight, in the local time that travellers go by."""
    return sql(SCHEDULED_FLIGHTS_SQL)


SCHEDULED_FLIGHTS_SQL = """
-- one row per scheduled departure
WITH holidays(day) AS (
    VALUES (DATE '2013-01-01'), ('2013-01-21'), ('2013-02-18'), ('2013-05-27'), ('2013-07-04'), ('2013-09-02'),
           ('2013-10-14'), ('2013-11-28'), ('2013-12-25'), ('2014-01-01')
), scheduled AS MATERIALIZED (
    SELECT *, timezone('America/New_York', scheduled_departure) AS local_departure FROM flights
), near AS (
    SELECT date, least(7, min(abs(date_diff('day', date, day)))) AS days_to_holiday
    FROM (SELECT DISTINCT local_departure::DATE AS date FROM scheduled) CROSS JOIN holidays GROUP BY date
)
SELECT
    carrier, flight_number, origin, scheduled_departure, destination, tail_number, distance_miles,
    scheduled_departure - INTERVAL 2 HOUR AS prediction_time,
    date_diff('minute', scheduled_departure, scheduled_arrival)::DOUBLE AS scheduled_minutes,
    (hour(local_departure) * 60 + minute(local_departure))::BIGINT AS departure_minute,
    hour(local_departure)::BIGINT AS departure_hour,
    isodow(local_departure)::BIGINT AS weekday,
    count(*) OVER (PARTITION BY origin, date_trunc('hour', scheduled_departure)) AS origin_departures,
    days_to_holiday
FROM scheduled JOIN near ON near.date = local_departure::DATE
"""


@feature_pipeline(contracts.FLIGHT_OUTCOMES, reads=[STAGED_FLIGHTS.reaching_back(days=ARRIVAL_DAYS)])
def flight_outcomes(flights: Relation) -> Relation:
    """The label, known at arrival; flights that were cancelled or diverted never get one."""
    return flights.filter("status = 'arrived'").select(
        "carrier, flight_number, origin, scheduled_departure, arrived_at AS known_at,"
        " arrival_delay_minutes > 15 AS arrived_late, arrival_delay_minutes"
    )


@feature_pipeline(contracts.FLIGHT_DEPARTURES, reads=[STAGED_FLIGHTS.reaching_back(days=DEPARTURE_DAYS)])
def flight_departures(flights: Relation) -> Relation:
    """Every departure, known when the flight has left."""
    return flights.filter("departed_at IS NOT NULL").select(
        "carrier, flight_number, origin, scheduled_departure, departed_at AS known_at, departure_delay_minutes"
    )


@feature_pipeline(contracts.ORIGIN_DELAYS, reads=[STAGED_FLIGHTS.reaching_back(days=ARRIVAL_DAYS)])
def origin_delays(sql: Sql) -> Relation:
    """Departure delays at each origin and at all of them, and flights that should have left, every quarter of an hour."""
    return sql(ORIGIN_DELAYS_SQL)


ORIGIN_DELAYS_SQL = """
-- one row per origin and quarter of an hour; windows reach from their hours ago until now, both ends included
WITH departures AS (
    SELECT origin, departed_at AS instant, departure_delay_minutes AS delay FROM flights WHERE departed_at IS NOT NULL
), overdue AS (
    SELECT origin, scheduled_departure + INTERVAL 15 MINUTE AS since,
        least(coalesce(departed_at, 'infinity'), scheduled_departure + INTERVAL 3 HOUR) AS until
    FROM flights WHERE departed_at IS NULL OR departed_at > since
), ticks AS (
    SELECT origin, unnest(generate_series($window_start, $window_end - INTERVAL 15 MINUTE, INTERVAL 15 MINUTE)) AS instant
    FROM (SELECT DISTINCT origin FROM flights)
)
SELECT
    origin, instant AS known_at,
    avg(delay) OVER last_1h AS origin_delay_1h, count(delay) OVER last_1h AS origin_departures_1h,
    avg(delay) OVER last_3h AS origin_delay_3h, count(delay) OVER last_3h AS origin_departures_3h,
    coalesce(sum(step) OVER until_now, 0)::BIGINT AS origin_overdue, avg(delay) OVER everywhere_2h AS city_delay_2h
FROM (
    FROM departures
    UNION ALL BY NAME SELECT origin, since AS instant, 1 AS step FROM overdue
    UNION ALL BY NAME SELECT origin, until AS instant, -1 AS step FROM overdue
    UNION ALL BY NAME SELECT *, true AS is_tick FROM ticks
)
WINDOW until_now AS (PARTITION BY origin ORDER BY instant RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
       everywhere_2h AS (ORDER BY instant RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW),
       last_1h AS (PARTITION BY origin ORDER BY instant RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW),
       last_3h AS (PARTITION BY origin ORDER BY instant RANGE BETWEEN INTERVAL 3 HOUR PRECEDING AND CURRENT ROW)
QUALIFY is_tick
"""


@feature_pipeline(contracts.CARRIER_PERFORMANCE, reads=[STAGED_FLIGHTS.reaching_back(days=7 + ARRIVAL_DAYS)])
def carrier_performance(sql: Sql) -> Relation:
    """How late a carrier leaves an origin, what of it should have left, and how often it arrived late, every hour."""
    return sql(CARRIER_PERFORMANCE_SQL)


CARRIER_PERFORMANCE_SQL = """
-- one row per carrier, origin and hour, where there was an arrival within 7 days
WITH events AS (
    SELECT carrier, origin, departed_at AS instant, departure_delay_minutes AS delay, NULL::BOOLEAN AS late, false AS is_tick
    FROM flights WHERE departed_at IS NOT NULL
    UNION ALL
    SELECT carrier, origin, arrived_at, NULL, arrival_delay_minutes > 15, false FROM flights WHERE status = 'arrived'
), overdue AS (
    SELECT carrier, origin, scheduled_departure + INTERVAL 15 MINUTE AS since,
        least(coalesce(departed_at, 'infinity'), scheduled_departure + INTERVAL 3 HOUR) AS until
    FROM flights WHERE departed_at IS NULL OR departed_at > since
), ticks AS (
    SELECT carrier, origin, unnest(generate_series($window_start, $window_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS instant
    FROM (SELECT DISTINCT carrier, origin FROM flights)
)
SELECT
    carrier, origin, instant AS known_at,
    avg(delay) OVER last_3h AS carrier_delay_3h,
    avg(late::INTEGER) OVER last_7d AS carrier_late_share_7d,
    coalesce(sum(step) OVER until_now, 0)::BIGINT AS carrier_overdue
FROM (
    FROM events
    UNION ALL BY NAME SELECT carrier, origin, since AS instant, 1 AS step, false AS is_tick FROM overdue
    UNION ALL BY NAME SELECT carrier, origin, until AS instant, -1 AS step, false AS is_tick FROM overdue
    UNION ALL BY NAME SELECT *, true AS is_tick FROM ticks
)
WINDOW until_now AS (PARTITION BY carrier, origin ORDER BY instant RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
       last_3h AS (PARTITION BY carrier, origin ORDER BY instant RANGE BETWEEN INTERVAL 3 HOUR PRECEDING AND CURRENT ROW),
       last_7d AS (PARTITION BY carrier, origin ORDER BY instant RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)
QUALIFY is_tick AND carrier_late_share_7d IS NOT NULL
"""


@feature_pipeline(contracts.ROUTE_PERFORMANCE, reads=[STAGED_FLIGHTS.reaching_back(days=28 + ARRIVAL_DAYS)])
def route_performance(sql: Sql) -> Relation:
    """Share of late arrivals of a route over 28 days and mean arrival delay over 6 hours, every hour."""
    return sql(ROUTE_PERFORMANCE_SQL)


ROUTE_PERFORMANCE_SQL = """
-- one row per route and hour, where there was an arrival within 28 days
WITH arrivals AS (
    SELECT origin, destination, arrived_at AS instant, arrival_delay_minutes AS delay, false AS is_tick
    FROM flights WHERE status = 'arrived'
), ticks AS (
    SELECT origin, destination, unnest(generate_series($window_start, $window_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS instant
    FROM (SELECT DISTINCT origin, destination FROM flights)
)
SELECT
    origin, destination, instant AS known_at,
    avg((delay > 15)::INTEGER) OVER last_28d AS route_late_share_28d,
    avg(delay) OVER last_6h AS route_arrival_delay_6h
FROM (FROM arrivals UNION ALL BY NAME SELECT *, true AS is_tick FROM ticks)
WINDOW last_6h AS (PARTITION BY origin, destination ORDER BY instant RANGE BETWEEN INTERVAL 6 HOUR PRECEDING AND CURRENT ROW),
       last_28d AS (PARTITION BY origin, destination ORDER BY instant RANGE BETWEEN INTERVAL 28 DAY PRECEDING AND CURRENT ROW)
QUALIFY is_tick AND route_late_share_28d IS NOT NULL
"""


@feature_pipeline(contracts.DESTINATION_DELAYS, reads=[STAGED_FLIGHTS.reaching_back(days=1 + ARRIVAL_DAYS)])
def destination_delays(sql: Sql) -> Relation:
    """Arrivals from New York at a destination: mean delay over 6 hours and share of late ones over 24 hours, every hour."""
    return sql(DESTINATION_DELAYS_SQL)


DESTINATION_DELAYS_SQL = """
-- one row per destination and hour, where there was an arrival within 24 hours
WITH arrivals AS (
    SELECT destination, arrived_at AS instant, arrival_delay_minutes AS delay, false AS is_tick
    FROM flights WHERE status = 'arrived'
), ticks AS (
    SELECT destination, unnest(generate_series($window_start, $window_end - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS instant
    FROM (SELECT DISTINCT destination FROM flights)
)
SELECT
    destination, instant AS known_at,
    avg(delay) OVER last_6h AS destination_delay_6h,
    avg((delay > 15)::INTEGER) OVER last_24h AS destination_late_share_24h
FROM (FROM arrivals UNION ALL BY NAME SELECT *, true AS is_tick FROM ticks)
WINDOW last_6h AS (PARTITION BY destination ORDER BY instant RANGE BETWEEN INTERVAL 6 HOUR PRECEDING AND CURRENT ROW),
       last_24h AS (PARTITION BY destination ORDER BY instant RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND CURRENT ROW)
QUALIFY is_tick AND destination_late_share_24h IS NOT NULL
"""


@feature_pipeline(contracts.ORIGIN_WEATHER, reads=[STAGED_WEATHER.reaching_back(days=1)], may_be_empty=True)
def origin_weather(weather: Relation) -> Relation:
    """Hourly weather; a day may have none, since stations have gaps."""
    return weather.select(
        "origin, observed_at + INTERVAL 15 MINUTE AS known_at, temp_f, humidity_pct, wind_mph, wind_direction_deg,"
        " gust_mph, precipitation_in, pressure_mb, visibility_miles"
    )


@feature_pipeline(contracts.PLANE_PROFILE, reads=[STAGED_PLANES])
def plane_profile(planes: Relation) -> Relation:
    """The register of planes, as far as models read it."""
    return planes.select("tail_number, manufacture_year, manufacturer, engine, seats")
