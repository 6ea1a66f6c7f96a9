"""Inference: predictions of a day and how they turned out, every morning after the features."""

from fti_assets.pipelines import Schedule, code_location

defs = code_location(
    "fti_assets.systems.flights.inference",
    name="flights_inference",
    schedule=Schedule(cron="0 7 * * *", timezone="America/New_York"),
)
