"""Training: from feature groups to a champion, every Monday; and the care of the lake and of the model registry."""

from dagster import Definitions

from fti_assets.pipelines import Schedule, code_location, lake_maintenance, registry_maintenance

defs = Definitions.merge(
    code_location(
        "fti_assets.systems.flights.training",
        name="flights_training",
        schedule=Schedule(cron="0 6 * * 1", timezone="America/New_York"),
    ),
    lake_maintenance(Schedule(cron="0 3 * * *", timezone="America/New_York"), owner="team:data-engineering"),
    registry_maintenance(Schedule(cron="30 3 * * 0", timezone="America/New_York"), owner="team:data-science"),
)
