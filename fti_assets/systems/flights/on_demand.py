"""On-demand features of the flights system: from the request, and from what is stored."""

from __future__ import annotations

import numpy as np

from fti_assets.vocabulary import REQUEST_TIME, Array, Feature, on_demand

YEAR = np.timedelta64(31_556_952, "s")
EPOCH = np.datetime64("1970-01-01", "us")


@on_demand(
    Feature("plane_age_years", "float", "Time since the beginning of the year in which the plane was built.", unit="years"),
    reads=("manufacture_year", REQUEST_TIME),
)
def plane_age_years(manufacture_year: Array, request_time: Array) -> Array:
    """Grows from day to day, and from year to year, which the year of manufacture does not."""
    return (request_time - EPOCH) / YEAR + 1970 - manufacture_year


@on_demand(
    Feature("scheduled_speed_mph", "float", "Distance by scheduled time: low where the schedule has time to spare.", unit="mph"),
    reads=("distance_miles", "scheduled_minutes"),
)
def scheduled_speed_mph(distance_miles: Array, scheduled_minutes: Array) -> Array:
    """How fast the schedule wants the flight to be, taxiing included."""
    return np.where(scheduled_minutes > 0, 60 * distance_miles / scheduled_minutes, np.nan)
