"""Data collection of the flights system: delivered files in, staged tables out."""

from __future__ import annotations

from fti_assets.pipelines import Relation, Sql, collection_pipeline
from fti_assets.systems.flights import staged, staging
from fti_assets.vocabulary import CsvSource

FLIGHTS_FILES = CsvSource(
    name="flights",
    columns=staging.RAW_COLUMNS["flights"],
    cadence=staged.DAYS,
    description="Departures of a New York day, one file a day.",
)
WEATHER_FILES = CsvSource(
    name="weather",
    columns=staging.RAW_COLUMNS["weather"],
    cadence=staged.DAYS,
    description="Observations of a New York day, one file a day.",
)
PLANES_FILE = CsvSource(name="planes", columns=staging.RAW_COLUMNS["planes"], description="Register of planes.")
AIRPORTS_FILE = CsvSource(name="airports", columns=staging.RAW_COLUMNS["airports"], description="Airports with their time zones.")
AIRLINES_FILE = CsvSource(name="airlines", columns=staging.RAW_COLUMNS["airlines"], description="Names of the airlines.")


@collection_pipeline(staged.STAGED_AIRPORTS, sources=[AIRPORTS_FILE])
def airports(sql: Sql) -> Relation:
    """Airports, completed by those that the register lacks."""
    return sql(staging.AIRPORTS)


@collection_pipeline(staged.STAGED_AIRLINES, sources=[AIRLINES_FILE])
def airlines(sql: Sql) -> Relation:
    """Names of the airlines."""
    return sql(staging.AIRLINES)


@collection_pipeline(staged.STAGED_PLANES, sources=[PLANES_FILE])
def planes(sql: Sql) -> Relation:
    """The register of planes."""
    return sql(staging.PLANES)


@collection_pipeline(staged.STAGED_FLIGHTS, sources=[FLIGHTS_FILES], reads=[staged.STAGED_AIRPORTS])
def flights(sql: Sql) -> Relation:
    """Flights in UTC, linked with the time zone of their destination."""
    return sql(staging.FLIGHTS)


@collection_pipeline(staged.STAGED_WEATHER, sources=[WEATHER_FILES], may_be_empty=True)
def weather(sql: Sql) -> Relation:
    """Observations in UTC, one for each hour; a day may have none, since stations have gaps."""
    return sql(staging.WEATHER)
