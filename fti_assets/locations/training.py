"""Training: from feature groups to a champion, every Monday."""

from fti_assets.pipelines import Schedule, code_location

defs = code_location(
    "fti_assets.systems.flights.training", name="flights_training", schedule=Schedule(cron="0 6 * * 1", timezone="America/New_York")
)
