"""Training: from feature groups to a champion, every Monday; and the care of the lake, every night before features are made."""

from dagster import Definitions

from fti_assets.pipelines import Schedule, code_location, lake_maintenance

defs = Definitions.merge(
    code_location(
        "fti_assets.systems.flights.training",
        name="flights_training",
        schedule=Schedule(cron="0 6 * * 1", timezone="America/New_York"),
    ),
    lake_maintenance(Schedule(cron="0 3 * * *", timezone="America/New_York"), owner="team:data-engineering"),
)
