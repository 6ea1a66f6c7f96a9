"""A small model that is asked online, and lines of its log."""

import json
from pathlib import Path

from fti_assets.vocabulary import Column, Entity, Feature, FeatureGroup, FeatureView, Gate, InferenceLog, Model
from fti_assets_tests.feature_store.examples import DAYS, HOUR, MINUTE, OUTCOMES, PROMISE, T0, TRIP, TRIPS, make_dataset

WEATHER = FeatureGroup(
    name="weather",
    version=1,
    entity=Entity("station", ("station",)),
    event_time="at",
    cadence=DAYS,
    ttl=6 * HOUR,
    online=True,
    features=(Feature("temp", "float"), Feature("storm", "bool"), Feature("cloud", "int"), Feature("wind", "string")),
    contract=PROMISE,
)
VIEW = FeatureView(
    name="delay",
    version=1,
    spine=TRIPS,
    at="asked_at",
    features=(TRIPS["distance"], WEATHER.all_features),
    label=OUTCOMES["late"],
)


def make_model(view=VIEW, name="delay"):
    return Model(name=name, dataset=make_dataset(view), owner="team:test", gates=(Gate(metric="auc", minimum=0.5),))


LOG = InferenceLog(model=make_model(), contract=PROMISE)
SERVED = {"distance": 10.0, "temp": 20.5, "storm": False, "cloud": 3, "wind": "west"}
"""Features of VIEW as some request was answered with."""


def said(number=1, **changes):
    """What a line of LOG says of one row: of trip `number`, asked about at T0 + `number` minutes, logged a second later."""
    time = T0 + number * MINUTE
    line = {
        "request_id": f"r{number:04}",
        "model": "delay",
        "model_version": 1,
        "view_version": 1,
        "role": "champion",
        "logged_at": time.isoformat(),
        "request_time": time.isoformat(),
        "keys": {"trip": number, "station": "a"},
        "given": ["station"],
        "features": SERVED,
        "missing": [],
        "prediction": 0.25,
        "latency_us": 310,
    }
    return line | changes


def as_line(*rows):
    """A line that holds these rows, which are said to be of one answer."""
    made = {name: rows[0][name] for name in ("model", "logged_at", "latency_us")}
    for name in rows[0].keys() - made.keys():
        values = [row[name] for row in rows]
        made[name] = _columns(values) if all(isinstance(value, dict) for value in values) else values
    return json.dumps(made).encode() + b"\n"


def _columns(rows):
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def write_segment(folder: Path, name, *lines, end=b""):
    """A segment of lines, given as `said` gives them or as bytes; `end` is put behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(line if isinstance(line, bytes) else as_line(line) for line in lines) + end)
    return path


__all__ = ["LOG", "SERVED", "TRIP", "VIEW", "WEATHER", "Column", "as_line", "make_model", "said", "write_segment"]
