"""What is promised in a small system: flights with the weather at their origin and the size of their carrier's fleet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from fti_assets.vocabulary import (
    REQUEST_TIME,
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Model,
    TimeSplit,
    TrainingDataset,
    on_demand,
)

NOW = datetime(2024, 1, 10, 12, tzinfo=UTC)
DEPARTS = datetime(2024, 1, 10, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
PROMISE = Contract(owner="team:test")
DAYS = Daily(start="2024-01-01", end="2024-02-01")
FLIGHT = Entity("flight", ("carrier", Column("number", "int"), Column("departs", "timestamp")))

FLIGHTS = FeatureGroup(
    name="flights",
    version=1,
    entity=FLIGHT,
    event_time="asked_at",
    cadence=DAYS,
    online=True,
    contract=PROMISE,
    features=(
        Feature("origin", "string", "Airport of departure."),
        Feature("distance", "float", "Great-circle distance.", unit="miles"),
        Feature("holiday", "bool", "Whether it leaves on a holiday."),
    ),
)
WEATHER = FeatureGroup(
    name="weather",
    version=1,
    entity=Entity("origin", ("origin",)),
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=6),
    online=True,
    contract=PROMISE,
    features=(Feature("temp_f", "float", "Air temperature.", unit="°F"), Feature("wind_mph", "float", "Wind.", unit="mph")),
)
CARRIERS = FeatureGroup(
    name="carriers",
    version=1,
    entity=Entity("carrier", ("carrier",)),
    online=True,
    contract=PROMISE,
    features=(Feature("fleet", "int", "Planes that it has."),),
)
OUTCOMES = FeatureGroup(name="outcomes", version=1, entity=FLIGHT, features=(Feature("late", "bool"),), contract=PROMISE)


@on_demand(Feature("hours_left", "float", "Hours until it departs.", unit="hours"), reads=("departs", REQUEST_TIME))
def hours_left(departs, request_time):
    return (departs - request_time) / np.timedelta64(1, "h")


VIEW = FeatureView(
    name="flight_delay",
    version=1,
    spine=FLIGHTS,
    at="asked_at",
    features=(FLIGHTS["carrier", "origin", "distance", "holiday"], WEATHER.all_features, CARRIERS["fleet"]),
    on_demand=(hours_left,),
    label=OUTCOMES["late"],
)
MODEL = Model(
    name="flight_delay",
    description="Probability that a flight is late.",
    owner="team:test",
    gates=(),
    dataset=TrainingDataset(name="flights", view=VIEW, split=TimeSplit(validation_days=1, test_days=1), owner="team:test"),
)
