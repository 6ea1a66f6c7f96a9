"""What the point-in-time join promises, as plain loops over rows: slow, and simple enough to be seen to be right."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Version:
    """One value of one entity at one event time, and from when until when it stood."""

    key: tuple
    time: datetime
    value: object
    published: datetime
    superseded: datetime | None = None


def published(history, window, rows, instant):
    """The versions after `rows` (by key and time) took the place of what `window` held; None is the window of everything."""
    after = []
    for one in history:
        stands = one.superseded is None
        inside = window is None or window.holds(one.time)
        kept = (one.key, one.time) in rows and rows[one.key, one.time] == one.value
        after.append(replace(one, superseded=instant) if stands and inside and not kept else one)
    standing = {(one.key, one.time) for one in after if one.superseded is None}
    return after + [Version(*at, value, instant) for at, value in rows.items() if at not in standing]


def visible(history, key, at, known_at=None):
    """The versions that a row sees, the newest last."""
    if at is None or any(part is None for part in key):
        return []
    seen = [one for one in history if one.key == key and one.time <= at and _stood(one, known_at)]
    return sorted(seen, key=lambda one: (one.time, one.published))


def _stood(one, known_at):
    if known_at is None:
        return one.superseded is None
    return one.published <= known_at and (one.superseded is None or known_at < one.superseded)


def seen(history, key, at, ttl=None, known_at=None):
    """The value that a row gets, and its event time."""
    found = visible(history, key, at, known_at)
    if not found or (ttl is not None and at - found[-1].time > ttl):
        return (None, None)
    return (found[-1].value, found[-1].time)


def in_window(history, key, at, last, known_at=None):
    """The values of the window that ends at a row's time, earliest first."""
    return [one.value for one in visible(history, key, at, known_at) if at - last < one.time]


FIGURES = {
    "count": lambda all_values, values: len(values),
    "sum": lambda all_values, values: math.fsum(values) if values else None,
    "mean": lambda all_values, values: statistics.fmean(values) if values else None,
    "min": lambda all_values, values: min(values, default=None),
    "max": lambda all_values, values: max(values, default=None),
    "std": lambda all_values, values: statistics.stdev(values) if len(values) > 1 else None,
    "first": lambda all_values, values: all_values[0] if all_values else None,
    "last": lambda all_values, values: all_values[-1] if all_values else None,
    "distinct_count": lambda all_values, values: len(set(values)),
}


def percentile(values, share):
    """Linear interpolation between the neighbours, as in `numpy.percentile`."""
    if not values:
        return None
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def figure(aggregate, history, key, at, known_at=None):
    """The aggregate for one row."""
    if at is None or any(part is None for part in key):
        return None
    everything = in_window(history, key, at, aggregate.last, known_at)
    values = [value for value in everything if value is not None]
    if aggregate.function == "percentile":
        return percentile(values, aggregate.share)
    if aggregate.column is None:
        return len(everything)
    return FIGURES[aggregate.function](everything, values)
