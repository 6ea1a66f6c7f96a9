"""On-demand functions that the feature store's tests use; as a stored definition refers to them, by module and name."""

import numpy as np

from fti_assets.vocabulary import REQUEST_TIME, Feature, on_demand

DAY = np.timedelta64(1, "D")
FIRST = np.datetime64("2024-01-01", "us")


@on_demand(Feature("temp_gap", "float"), reads=("temp", "distance"))
def temp_gap(temp, distance):
    return temp - distance


@on_demand(Feature("days", "int"), reads=(REQUEST_TIME,))
def days(request_time):
    return np.floor((request_time - FIRST) / DAY)


@on_demand(Feature("warm", "bool"), reads=("temp_gap",))
def warm(temp_gap):
    return np.where(np.isnan(temp_gap), np.nan, temp_gap > 0)


@on_demand(Feature("place", "string"), reads=("station", "line", "warm"))
def place(station, line, warm):
    return np.array(
        [None if s is None else f"{s}/{n or '-'}{'!' if w == 1 else ''}" for s, n, w in zip(station, line, warm, strict=True)],
        object,
    )


@on_demand(Feature("of_all", "float"), reads=("distance",))
def of_all(distance):
    return distance - distance.mean()


@on_demand(Feature("fails", "float"), reads=("distance",))
def fails(distance):
    return distance + distance[:-1]
