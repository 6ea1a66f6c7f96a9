"""From delivered files to staged rows: the columns of the files, and one SELECT for each staged table.

Each reads a view `raw_SOURCE` of the session, made by `read_csv` with `RAW_COLUMNS`; `FLIGHTS` reads the staged airports
as `airports`, too. The session's time zone is UTC. A year at once and day by day give the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping

RAW_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "flights": {
        "year": "INTEGER",
        "month": "INTEGER",
        "day": "INTEGER",
        "dep_time": "INTEGER",
        "sched_dep_time": "INTEGER",
        "dep_delay": "DOUBLE",
        "arr_time": "INTEGER",
        "sched_arr_time": "INTEGER",
        "arr_delay": "DOUBLE",
        "carrier": "VARCHAR",
        "flight": "BIGINT",
        "tailnum": "VARCHAR",
        "origin": "VARCHAR",
        "dest": "VARCHAR",
        "air_time": "DOUBLE",
        "distance": "DOUBLE",
        "hour": "INTEGER",
        "minute": "INTEGER",
        "time_hour": "TIMESTAMPTZ",
    },
    "weather": {
        "origin": "VARCHAR",
        "year": "INTEGER",
        "month": "INTEGER",
        "day": "INTEGER",
        "hour": "INTEGER",
        "temp": "DOUBLE",
        "dewp": "DOUBLE",
        "humid": "DOUBLE",
        "wind_dir": "DOUBLE",
        "wind_speed": "DOUBLE",
        "wind_gust": "DOUBLE",
        "precip": "DOUBLE",
        "pressure": "DOUBLE",
        "visib": "DOUBLE",
        "time_hour": "TIMESTAMPTZ",
    },
    "planes": {
        "tailnum": "VARCHAR",
        "year": "BIGINT",
        "type": "VARCHAR",
        "manufacturer": "VARCHAR",
        "model": "VARCHAR",
        "engines": "BIGINT",
        "seats": "BIGINT",
        "speed": "DOUBLE",
        "engine": "VARCHAR",
    },
    "airports": {
        "faa": "VARCHAR",
        "name": "VARCHAR",
        "lat": "DOUBLE",
        "lon": "DOUBLE",
        "alt": "DOUBLE",
        "tz": "DOUBLE",
        "dst": "VARCHAR",
        "tzone": "VARCHAR",
    },
    "airlines": {"carrier": "VARCHAR", "name": "VARCHAR"},
}
"""The columns of the delivered files, in their order, with their DuckDB types."""

FLIGHTS = """
-- Grain: one row for each scheduled departure (carrier, flight_number, origin, scheduled_departure).
with scheduled as (
    -- time_hour is the scheduled hour in UTC; minute completes it. A destination without a known zone keeps its row.
    select
        raw_flights.*,
        time_hour + to_minutes(minute) as scheduled_departure,
        airports.timezone,
        case
            -- 2400 is the midnight that ends a day. 1275 is no time at all.
            when sched_arr_time between 0 and 2400 and sched_arr_time % 100 < 60
            then to_minutes(sched_arr_time // 100 * 60 + sched_arr_time % 100)
        end as arrival_time_of_day
    from raw_flights left join airports on airports.code = raw_flights.dest
),
local as (
    -- The first time after the departure that the clock at the destination shows the scheduled arrival.
    select
        *,
        scheduled_departure at time zone timezone as local_departure,
        local_departure::date + arrival_time_of_day as same_day,
        case
            when same_day > local_departure then same_day
            -- Earlier on the clock and later in time: clocks were set back in between.
            when hour(same_day) = 1 and same_day at time zone timezone > scheduled_departure then same_day
            else same_day + interval 1 day
        end as local_arrival,
        local_arrival at time zone timezone as latest
    from scheduled
),
timed as (
    -- When clocks are set back, from two to one at night, that time is there twice. DuckDB takes the second, we the first.
    select
        *,
        case
            when hour(local_arrival) = 1 and (latest - interval 1 hour) at time zone timezone = local_arrival
                and latest - interval 1 hour > scheduled_departure
            then latest - interval 1 hour
            else latest
        end as scheduled_arrival
    from local
)
select
    carrier,
    flight as flight_number,
    origin,
    dest as destination,
    tailnum as tail_number,
    scheduled_departure,
    scheduled_arrival,
    case when dep_time is not null then scheduled_departure + to_seconds(60 * dep_delay) end as departed_at,
    -- Not from arr_time: a clock does not say which day it is, and shows an hour twice when it is set back.
    scheduled_arrival + to_seconds(60 * arr_delay) as arrived_at,
    dep_delay as departure_delay_minutes,
    arr_delay as arrival_delay_minutes,
    air_time as air_time_minutes,
    distance as distance_miles,
    case when dep_time is null then 'cancelled' when arr_delay is null then 'diverted' else 'arrived' end as status
from timed
"""

WEATHER = """
-- Grain: one row for each hour in which an airport was observed (origin, observed_at).
with hours as (
    -- A repeated hour keeps its most complete row, and of equally complete ones the first in order of its values. The hour
    -- that New York's clocks show twice on 3 November is two hours in UTC, and no repetition.
    select *
    from raw_weather
    qualify row_number() over (
        partition by origin, time_hour
        order by
            (temp is not null)::int + (dewp is not null)::int + (humid is not null)::int + (wind_dir is not null)::int
            + (wind_speed is not null)::int + (wind_gust is not null)::int + (precip is not null)::int
            + (pressure is not null)::int + (visib is not null)::int desc,
            temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
    ) = 1
),
judged as (
    -- A jump of more than 30 degrees from the hour before is a mistake: JFK on 8 May goes 57.0, 13.1, 57.2. The way back is
    -- none, since the hour before it had jumped itself. Only the past is looked at, at most two hours of the same day, so
    -- that nothing published was unknown at its time. Dew point and humidity are derived from the temperature.
    select
        *,
        coalesce(abs(temp - lag(temp) over day) > 30 and time_hour - lag(time_hour) over day <= interval 2 hour, false)
        and not coalesce(abs(lag(temp) over day - lag(temp, 2) over day) > 30, false) as temp_is_wrong
    from hours
    window day as (partition by origin, year, month, day order by time_hour)
)
select
    origin,
    time_hour as observed_at,
    case when not temp_is_wrong then temp end as temp_f,
    case when not temp_is_wrong then dewp end as dewpoint_f,
    case when not temp_is_wrong then humid end as humidity_pct,
    wind_dir as wind_direction_deg,
    -- EWR reports 1,048 mph on 12 February. No hurricane has reached New York with 150.
    case when wind_speed <= 150 then wind_speed end as wind_mph,
    case when wind_gust <= 150 then wind_gust end as gust_mph,
    precip as precipitation_in,
    pressure as pressure_mb,
    visib as visibility_miles
from judged
"""

PLANES = """
-- Grain: one row for each plane (tail_number). `speed` is left out: it is missing for 99% of them.
select tailnum as tail_number, year as manufacture_year, manufacturer, model, type, engine, engines, seats
from raw_planes
"""

AIRPORTS = """
-- Grain: one row for each airport (code).
with supplement(code, name, latitude, longitude, altitude_ft, timezone) as (
    -- Destinations that the source lacks, with rounded coordinates. Puerto Rico and the Virgin
    -- Islands keep Atlantic standard time all year.
    values
        ('SJU', 'Luis Munoz Marin International Airport', 18.4394, -66.0018, 9.0, 'America/Puerto_Rico'),
        ('BQN', 'Rafael Hernandez Airport', 18.4949, -67.1294, 237.0, 'America/Puerto_Rico'),
        ('STT', 'Cyril E. King Airport', 18.3373, -64.9734, 23.0, 'America/Puerto_Rico'),
        ('PSE', 'Mercedita International Airport', 18.0083, -66.5630, 29.0, 'America/Puerto_Rico')
),
corrected(code, latitude, longitude, timezone) as (
    -- Deer Valley (Arizona) and Montgomery Field (California) lost the sign of their longitude, and so lie in China;
    -- Dillant-Hopkins (New Hampshire) has latitude and longitude mixed up, and lies in the Arctic.
    values
        ('DVT', 33.4117, -112.457, 'America/Phoenix'),
        ('MYF', 32.4759, -117.759, 'America/Los_Angeles'),
        ('EEN', 42.898333, -72.270833, 'America/New_York')
),
known as (
    select
        faa as code,
        name,
        coalesce(corrected.latitude, lat) as latitude,
        coalesce(corrected.longitude, lon) as longitude,
        alt as altitude_ft,
        coalesce(corrected.timezone, tzone) as timezone
    from raw_airports left join corrected on corrected.code = raw_airports.faa
    union all
    -- A source that has them one day is preferred.
    select * from supplement where code not in (select faa from raw_airports where faa is not null)
)
select
    code,
    name,
    latitude::double as latitude,
    longitude::double as longitude,
    altitude_ft::double as altitude_ft,
    -- A zone that does not exist would stop every flight, not only those to this airport.
    case when timezone in (select name from pg_timezone_names()) then timezone end as timezone
from known
"""

AIRLINES = """
-- Grain: one row for each airline (carrier).
select carrier, name from raw_airlines
"""
