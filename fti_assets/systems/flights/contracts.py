"""What crosses between the pipelines of the flights system. Plain data; imports no engine.

Will a departure from New York arrive more than 15 minutes late? Predicted two hours before its scheduled departure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fti_assets.systems.flights.on_demand import plane_age_years, scheduled_speed_mph
from fti_assets.systems.flights.staged import DAYS, ORIGINS, OWNER
from fti_assets.vocabulary import (
    Categorical,
    Column,
    Contract,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Gate,
    Model,
    Monitor,
    Numeric,
    Predictions,
    TimeSplit,
    TrainingDataset,
    aggregate,
    expect,
)

SCIENCE = "team:data-science"
FRESH = timedelta(hours=30)
HOUR = timedelta(hours=1)

FLIGHT = Entity("flight", ("carrier", Column("flight_number", "int"), "origin", Column("scheduled_departure", "timestamp")))
ORIGIN = Entity("origin", ("origin",))
CARRIER_AT_ORIGIN = Entity("carrier_at_origin", ("carrier", "origin"))
ROUTE = Entity("route", ("origin", "destination"))
DESTINATION = Entity("destination", ("destination",))
PLANE = Entity("plane", ("tail_number",))

SCHEDULED_FLIGHTS = FeatureGroup(
    name="scheduled_flights",
    version=1,
    description="Every scheduled departure, with what the schedule says of it. The spine: one row for each flight to be predicted.",
    entity=FLIGHT,
    event_time="prediction_time",
    window_time="scheduled_departure",
    cadence=DAYS,
    online=True,
    features=(
        Feature("destination", "string", "Airport of destination, IATA code."),
        Feature("tail_number", "string", "Registration of the plane; null when it is not known."),
        Feature("distance_miles", "float", "Great-circle distance of the route.", unit="miles"),
        Feature("scheduled_minutes", "float", "Time from scheduled departure to scheduled arrival.", unit="minutes"),
        Feature("departure_minute", "int", "Scheduled departure, minute of the New York day.", unit="minutes"),
        Feature("departure_hour", "int", "Scheduled departure, hour of the New York day.", unit="hours"),
        Feature("weekday", "int", "Day of the week in New York, Monday is 1."),
        Feature("origin_departures", "int", "Departures scheduled at the origin in the same clock hour."),
        Feature("days_to_holiday", "int", "Days to the nearest holiday of heavy travel, at most 7.", unit="days"),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.one_of("origin", ORIGINS),
            expect.between("scheduled_minutes", 20, 1_000, severity="warning", mostly=0.99),
            expect.not_null("tail_number", severity="warning", mostly=0.95),
        ),
    ),
)

FLIGHT_OUTCOMES = FeatureGroup(
    name="flight_outcomes",
    version=1,
    description="How each flight ended, known when it arrived. Cancelled and diverted flights have no outcome.",
    entity=FLIGHT,
    event_time="known_at",
    cadence=DAYS,
    features=(
        Feature("arrived_late", "bool", "Whether it arrived more than 15 minutes after its scheduled arrival. The label."),
        Feature("arrival_delay_minutes", "float", "Arrival after the scheduled one; negative when early.", unit="minutes"),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.not_null("arrived_late"),
            expect.between("arrival_delay_minutes", -120, 1_500, severity="warning"),
        ),
    ),
)

FLIGHT_DEPARTURES = FeatureGroup(
    name="flight_departures",
    version=1,
    description="Departures as they happen: what windows before a prediction are computed from. Cancelled flights have none.",
    entity=FLIGHT,
    event_time="known_at",
    cadence=DAYS,
    online=True,
    features=(Feature("departure_delay_minutes", "float", "Departure after its time; negative when early.", unit="minutes"),),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.one_of("origin", ORIGINS),
            expect.not_null("departure_delay_minutes"),
            expect.between("departure_delay_minutes", -120, 1_500, severity="warning"),
        ),
    ),
)

ORIGIN_DELAYS = FeatureGroup(
    name="origin_delays",
    version=1,
    description="Departures of the last hours at an origin, every quarter of an hour.",
    entity=ORIGIN,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=1),
    online=True,
    features=(
        Feature("origin_delay_1h", "float", "Mean departure delay of the last hour.", unit="minutes"),
        Feature("origin_departures_1h", "int", "Departures in the last hour."),
        Feature("origin_delay_3h", "float", "Mean departure delay of the last 3 hours.", unit="minutes"),
        Feature("origin_departures_3h", "int", "Departures in the last 3 hours."),
        Feature("origin_overdue", "int", "Flights that should have left 15 minutes to 3 hours ago and have not."),
        Feature("city_delay_2h", "float", "Mean departure delay of the last 2 hours at all three origins.", unit="minutes"),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.one_of("origin", ORIGINS),
            expect.between("origin_departures_3h", 0, 200),
            expect.between("origin_overdue", 0, 300),
            expect.between("origin_delay_3h", -60, 600, severity="warning"),
        ),
    ),
)

CARRIER_PERFORMANCE = FeatureGroup(
    name="carrier_performance",
    version=1,
    description="How a carrier has done at an origin lately, every hour in which it flew within 7 days.",
    entity=CARRIER_AT_ORIGIN,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=2),
    online=True,
    features=(
        Feature("carrier_delay_3h", "float", "Mean departure delay of the last 3 hours.", unit="minutes"),
        Feature("carrier_late_share_7d", "float", "Share of arrivals in the last 7 days that were late."),
        Feature("carrier_overdue", "int", "Its flights that should have left 15 minutes to 3 hours ago and have not."),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.between("carrier_late_share_7d", 0, 1),
            expect.between("carrier_delay_3h", -60, 1_500, severity="warning"),
        ),
    ),
)

ROUTE_PERFORMANCE = FeatureGroup(
    name="route_performance",
    version=1,
    description="How a route has done lately, every hour in which it was flown within 28 days.",
    entity=ROUTE,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=2),
    online=True,
    features=(
        Feature("route_late_share_28d", "float", "Share of arrivals in the last 28 days that were late."),
        Feature("route_arrival_delay_6h", "float", "Mean arrival delay of the last 6 hours.", unit="minutes"),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.not_null("route_late_share_28d"),
            expect.between("route_late_share_28d", 0, 1),
        ),
    ),
)

DESTINATION_DELAYS = FeatureGroup(
    name="destination_delays",
    version=1,
    description="Arrivals from New York at a destination, every hour in which there was one within 24 hours.",
    entity=DESTINATION,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=2),
    online=True,
    features=(
        Feature("destination_delay_6h", "float", "Mean arrival delay of the last 6 hours.", unit="minutes"),
        Feature("destination_late_share_24h", "float", "Share of arrivals in the last 24 hours that were late."),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.row_count(low=1),
            expect.not_null("destination_late_share_24h"),
            expect.between("destination_late_share_24h", 0, 1),
        ),
    ),
)

ORIGIN_WEATHER = FeatureGroup(
    name="origin_weather",
    version=1,
    description="Hourly weather at the origin, known a quarter of an hour after it was observed.",
    entity=ORIGIN,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(hours=6),
    online=True,
    features=(
        Feature("temp_f", "float", "Air temperature.", unit="°F"),
        Feature("humidity_pct", "float", "Relative humidity.", unit="%"),
        Feature("wind_mph", "float", "Wind speed.", unit="mph"),
        Feature("wind_direction_deg", "float", "Direction the wind blows from.", unit="degrees"),
        Feature("gust_mph", "float", "Speed of gusts; null when there are none.", unit="mph"),
        Feature("precipitation_in", "float", "Precipitation in the hour.", unit="inches"),
        Feature("pressure_mb", "float", "Pressure at sea level.", unit="millibars"),
        Feature("visibility_miles", "float", "Visibility.", unit="miles"),
    ),
    contract=Contract(
        owner=OWNER,
        fresh_within=FRESH,
        expectations=(
            expect.one_of("origin", ORIGINS),
            expect.between("temp_f", -60, 130),
            expect.between("visibility_miles", 0, 10, severity="warning"),
            expect.row_count(low=60, high=78, severity="warning"),
        ),
    ),
)

PLANE_PROFILE = FeatureGroup(
    name="plane_profile",
    version=1,
    description="What is known of a plane whatever the day.",
    entity=PLANE,
    online=True,
    features=(
        Feature("manufacture_year", "int", "Year in which it was built."),
        Feature("manufacturer", "string", "Its maker."),
        Feature("engine", "string", "Kind of engine."),
        Feature("seats", "int", "Number of seats."),
    ),
    contract=Contract(
        owner=OWNER,
        expectations=(expect.between("manufacture_year", 1950, 2013, severity="warning"), expect.between("seats", 1, 900)),
    ),
)

FLIGHT_DELAY = FeatureView(
    name="flight_delay",
    version=2,
    description="What is known of a flight two hours before its scheduled departure.",
    spine=SCHEDULED_FLIGHTS,
    at="prediction_time",
    features=(
        SCHEDULED_FLIGHTS[
            "carrier",
            "origin",
            "destination",
            "distance_miles",
            "scheduled_minutes",
            "departure_minute",
            "departure_hour",
            "weekday",
            "origin_departures",
            "days_to_holiday",
        ],
        ORIGIN_DELAYS["origin_overdue", "city_delay_2h"],
        FLIGHT_DEPARTURES.windowed(
            aggregate.mean("departure_delay_minutes", last=HOUR, name="origin_delay_1h"),
            aggregate.count(last=HOUR, name="origin_departures_1h"),
            aggregate.mean("departure_delay_minutes", last=3 * HOUR, name="origin_delay_3h"),
            aggregate.count(last=3 * HOUR, name="origin_departures_3h"),
            by=("origin",),
        ),
        CARRIER_PERFORMANCE.all_features,
        ROUTE_PERFORMANCE.all_features,
        DESTINATION_DELAYS.all_features,
        ORIGIN_WEATHER.all_features,
        PLANE_PROFILE.all_features,
    ),
    on_demand=(plane_age_years, scheduled_speed_mph),
    label=FLIGHT_OUTCOMES["arrived_late"],
)

FLIGHT_DELAY_DATASET = TrainingDataset(
    name="flight_delay",
    description="Flights with the features of their prediction time and whether they arrived late.",
    view=FLIGHT_DELAY,
    split=TimeSplit(validation_days=31, test_days=61),
    # The latest arrival of the year was known 33 hours after its scheduled departure, and predictions are made 2 hours before it.
    label_horizon=timedelta(hours=36),
    owner=SCIENCE,
)

FLIGHT_DELAY_MODEL = Model(
    name="flight_delay",
    description="Probability that a flight arrives more than 15 minutes late, two hours before its scheduled departure.",
    dataset=FLIGHT_DELAY_DATASET,
    owner=SCIENCE,
    slices=("origin", "carrier", "departure_hour"),
    gates=(
        Gate(metric="auc", minimum=0.70, champion_margin=0.005, slice_minimum=0.60),
        Gate(metric="calibration_error", maximum=0.08),
    ),
)

NUMBERS = Numeric(impute="median", indicator=True, scale="standard")
FLIGHT_DELAY_NETWORK = replace(
    FLIGHT_DELAY_MODEL,
    name="flight_delay_network",
    description="The same by a network with embeddings of categories: a candidate, trained on request.",
    transformations=(NUMBERS, Categorical(minimum_rows=20)),
)
FLIGHT_DELAY_HISTOGRAM = replace(
    FLIGHT_DELAY_MODEL,
    name="flight_delay_histogram",
    description="The same by scikit-learn's histogram gradient boosting: a candidate, trained on request.",
)
FLIGHT_DELAY_LINEAR = replace(
    FLIGHT_DELAY_MODEL,
    name="flight_delay_linear",
    description="The same by logistic regression: what a better model has to beat, trained on request.",
    transformations=(NUMBERS, Categorical(encode="one_hot", minimum_rows=20)),
)

FLIGHT_DELAY_PREDICTIONS = Predictions(
    name="flight_delay",
    description="Probability of a late arrival for every scheduled flight, features as known two hours before its departure.",
    model=FLIGHT_DELAY_MODEL,
    contract=Contract(
        owner=SCIENCE,
        fresh_within=FRESH,
        expectations=(expect.not_null("prediction"), expect.between("prediction", 0, 1), expect.row_count(low=1)),
    ),
)

FLIGHT_DELAY_MONITOR = Monitor(
    name="flight_delay",
    description="How the predictions of a day turned out: AUC, calibration and late rate, next to the figures of training.",
    predictions=FLIGHT_DELAY_PREDICTIONS,
    contract=Contract(
        owner=SCIENCE,
        expectations=(
            expect.between("auc", 0.55, 1, severity="warning"),
            expect.between("calibration_error", 0, 0.2, severity="warning"),
        ),
    ),
)
