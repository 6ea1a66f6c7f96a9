"""The staged tables of the flights system: what collection promises to the feature pipelines."""

from __future__ import annotations

from fti_assets.vocabulary import Column, Contract, Daily, StagedTable, expect

DAYS = Daily(start="2013-01-01", end="2014-01-01", timezone="America/New_York")
ORIGINS = ("EWR", "JFK", "LGA")
OWNER = "team:data-engineering"

STAGED_FLIGHTS = StagedTable(
    name="flights",
    description="One row for each scheduled departure from New York, with what became of it.",
    cadence=DAYS,
    time="scheduled_departure",
    key=("carrier", "flight_number", "origin", "scheduled_departure"),
    columns=(
        Column("carrier", "string", "Two-character code of the airline."),
        Column("flight_number", "int", "Number of the flight, unique to a carrier and hour."),
        Column("origin", "string", "Code of the airport of departure."),
        Column("destination", "string", "Code of the airport where it was to land."),
        Column("tail_number", "string", "Registration of the plane; null when none was assigned."),
        Column("scheduled_departure", "timestamp", "To the minute."),
        Column("scheduled_arrival", "timestamp", "Null when the time zone of the destination is unknown."),
        Column("departed_at", "timestamp", "Null when the flight was cancelled."),
        Column("arrived_at", "timestamp", "Null when it did not arrive at its destination, or its time zone is unknown."),
        Column("departure_delay_minutes", "float", "Below zero when it left early; null when cancelled.", unit="minutes"),
        Column("arrival_delay_minutes", "float", "Null unless it arrived.", unit="minutes"),
        Column("air_time_minutes", "float", "Time between take-off and landing; null unless it arrived.", unit="minutes"),
        Column("distance_miles", "float", "Between the two airports.", unit="miles"),
        Column("status", "string", "arrived, cancelled (never departed) or diverted (departed, no arrival on record)."),
    ),
    contract=Contract(
        owner=OWNER,
        expectations=(
            expect.unique("carrier", "flight_number", "origin", "scheduled_departure"),
            expect.not_null("scheduled_departure"),
            expect.one_of("origin", ORIGINS),
            expect.between("departure_delay_minutes", -60, 1440, severity="warning"),
            expect.row_count(500, 1200, severity="warning"),
        ),
    ),
)

STAGED_WEATHER = StagedTable(
    name="weather",
    description="Hourly weather at the airports of departure. Hours are missing, and whole days may be.",
    cadence=DAYS,
    time="observed_at",
    key=("origin", "observed_at"),
    columns=(
        Column("origin", "string", "Code of the airport."),
        Column("observed_at", "timestamp", "Hour of the observation."),
        Column("temp_f", "float", "Air temperature; null when it jumps by more than 30 from the hour before.", unit="°F"),
        Column("dewpoint_f", "float", "Dew point; null when the temperature was refused.", unit="°F"),
        Column("humidity_pct", "float", "Relative humidity; null when the temperature was refused.", unit="%"),
        Column("wind_direction_deg", "float", "Where the wind comes from; 0 when calm, null when variable.", unit="°"),
        Column("wind_mph", "float", "Wind speed; null above 150.", unit="mph"),
        Column("gust_mph", "float", "Speed of gusts; null when there were none, and above 150.", unit="mph"),
        Column("precipitation_in", "float", "Precipitation in the hour.", unit="in"),
        Column("pressure_mb", "float", "Pressure at sea level.", unit="mb"),
        Column("visibility_miles", "float", "Visibility, at most 10.", unit="miles"),
    ),
    contract=Contract(
        owner=OWNER,
        expectations=(
            expect.unique("origin", "observed_at"),
            expect.not_null("observed_at"),
            expect.one_of("origin", ORIGINS),
            expect.between("temp_f", -30, 120, severity="warning"),
            expect.row_count(60, 75, severity="warning"),
        ),
    ),
)

STAGED_PLANES = StagedTable(
    name="planes",
    description="The planes that fly; about one flight in six has a plane that is not among them.",
    key=("tail_number",),
    columns=(
        Column("tail_number", "string", "Registration."),
        Column("manufacture_year", "int", "Year of manufacture."),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("type", "string", "Kind of aircraft, such as 'Fixed wing multi engine'."),
        Column("engine", "string", "Kind of engine, such as 'Turbo-fan'."),
        Column("engines", "int", "Number of engines."),
        Column("seats", "int", "Number of seats."),
    ),
    contract=Contract(
        owner=OWNER,
        expectations=(
            expect.unique("tail_number"),
            expect.not_null("tail_number"),
            expect.between("manufacture_year", 1950, 2013, severity="warning"),
            expect.between("seats", 1, 550, severity="warning"),
        ),
    ),
)

STAGED_AIRPORTS = StagedTable(
    name="airports",
    description="Airports by code, completed by four in the Caribbean that the source lacks.",
    key=("code",),
    columns=(
        Column("code", "string", "Code of the FAA."),
        Column("name", "string"),
        Column("latitude", "float", unit="°"),
        Column("longitude", "float", "East of Greenwich.", unit="°"),
        Column("altitude_ft", "float", unit="ft"),
        Column("timezone", "string", "Name in the IANA database; null when unknown."),
    ),
    contract=Contract(
        owner=OWNER,
        expectations=(
            expect.unique("code"),
            expect.not_null("code"),
            expect.between("latitude", -90, 90),
            expect.between("longitude", -180, 180),
            expect.not_null("timezone", mostly=0.99, severity="warning"),
        ),
    ),
)

STAGED_AIRLINES = StagedTable(
    name="airlines",
    description="Airlines by code.",
    key=("carrier",),
    columns=(Column("carrier", "string", "Two-character code."), Column("name", "string")),
    contract=Contract(
        owner=OWNER,
        expectations=(expect.unique("carrier"), expect.not_null("carrier"), expect.not_null("name", severity="warning")),
    ),
)

STAGED_TABLES = (STAGED_FLIGHTS, STAGED_WEATHER, STAGED_PLANES, STAGED_AIRPORTS, STAGED_AIRLINES)
