"""Online inference: online tables after each publication, the inference log every five minutes, its checks every hour."""

from fti_assets.pipelines import Schedule, code_location

NEW_YORK = "America/New_York"

defs = code_location(
    "fti_assets.systems.flights.online",
    name="flights_online",
    schedules={
        "flights_inference_log": Schedule(cron="*/5 * * * *", timezone=NEW_YORK),
        "flights_online_monitoring": Schedule(cron="20 * * * *", timezone=NEW_YORK),
    },
)
