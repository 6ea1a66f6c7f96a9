"""Features: from staged tables to feature groups, every morning."""

from fti_assets.pipelines import Schedule, code_location

defs = code_location(
    "fti_assets.systems.flights.features", name="flights_features", schedule=Schedule(cron="0 5 * * *", timezone="America/New_York")
)
