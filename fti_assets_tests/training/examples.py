import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fti_assets.training import TrainingData
from fti_assets.vocabulary import SPLITS, Column, Contract, Daily, Entity, Feature, FeatureGroup, FeatureView

FEATURES = (Column("carrier", "string"), Column("delay", "float"), Column("hour", "int"), Column("holiday", "bool"))


def make_view(features=FEATURES, timezone="UTC"):
    promise, flight = Contract(owner="team:test"), Entity("flight", keys=("flight",))
    chosen = tuple(Feature(one.name, one.type) for one in features)
    cadence = Daily(start="2024-01-01", timezone=timezone)
    spine = FeatureGroup(
        name="flights", version=1, entity=flight, event_time="at", cadence=cadence, contract=promise, features=chosen
    )
    outcomes = FeatureGroup(name="outcomes", version=1, entity=flight, features=(Feature("late", "bool"),), contract=promise)
    return FeatureView(name="flights", version=1, spine=spine, at="at", features=(spine.all_features,), label=outcomes["late"])


def make_rows(count=2000, seed=0, carriers=("AA", "B6", "UA")):
    random = np.random.default_rng(seed)
    delay, carrier = random.normal(10, 5, count), random.choice(carriers, count)
    start = np.datetime64("2024-01-01T00:00:00", "us")
    return pa.table(
        {
            "flight": pa.array([f"{seed}-{n}" for n in range(count)]),
            "at": pa.array(start + np.arange(count) * np.timedelta64(60_000_000, "us")),
            "carrier": pa.array(carrier, mask=random.random(count) < 0.05),
            "delay": pa.array(delay, mask=random.random(count) < 0.1),
            "hour": pa.array(random.integers(5, 23, count)),
            "holiday": pa.array(random.random(count) < 0.2),
            "late": pa.array(delay + 5 * (carrier == "UA") + random.normal(0, 5, count) > 14),
        }
    )


def write_dataset(folder, splits=None, view=None):
    folder.mkdir(parents=True, exist_ok=True)
    given = splits or {name: make_rows(2000 if name == "train" else 800, seed) for seed, name in enumerate(SPLITS)}
    for name, rows in given.items():
        pq.write_table(rows, folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps({"name": "flights", "content_hash": "5f" * 32, "snapshot": 12}))
    return TrainingData(folder, view or make_view())
