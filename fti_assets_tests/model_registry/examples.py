import os

import numpy as np
import pyarrow as pa

from fti_assets.model_registry import DatasetReference, TrainingRecord
from fti_assets.predictive_models import XGBoostModel
from fti_assets.predictive_models.xgboost import feature_types
from fti_assets.transformations import fit_transformations
from fti_assets.vocabulary import (
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Gate,
    Model,
    TimeSplit,
    TrainingDataset,
)

FEATURES = (Column("carrier", "string"), Column("delay", "float"), Column("hour", "int"), Column("holiday", "bool"))


def make_rows(count=400, seed=0):
    random = np.random.default_rng(seed)
    delay = random.normal(10, 5, count)
    return pa.table(
        {
            "carrier": pa.array(random.choice(["AA", "B6", "UA"], count)),
            "delay": pa.array(delay, mask=random.random(count) < 0.1),
            "hour": pa.array(random.integers(5, 23, count)),
            "holiday": pa.array(random.random(count) < 0.2),
            "late": pa.array(delay + random.normal(0, 5, count) > 12),
        }
    )


def make_transformations(rows, declared=()):
    return fit_transformations(declared, FEATURES, rows.column)


def make_model(seed=0, rounds=20):
    import xgboost

    rows = make_rows(seed=seed)
    transformations = make_transformations(rows)
    data = xgboost.DMatrix(
        transformations.matrix(rows),
        label=rows["late"].to_numpy(),
        feature_names=[column.name for column in transformations.columns],
        feature_types=feature_types(transformations.columns),
    )
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": seed}, data, num_boost_round=rounds)
    return XGBoostModel(booster, transformations, "late")


def make_contract(name="flight_delay"):
    promise, days = Contract(owner="team:test"), Daily(start="2024-01-01")
    flight = Entity("flight", keys=("flight",))
    spine = FeatureGroup(
        name="flights",
        version=1,
        entity=flight,
        event_time="at",
        cadence=days,
        contract=promise,
        features=tuple(Feature(one.name, one.type) for one in FEATURES),
    )
    outcomes = FeatureGroup(name="outcomes", version=1, entity=flight, features=(Feature("late", "bool"),), contract=promise)
    view = FeatureView(name="flights", version=1, spine=spine, at="at", features=(spine.all_features,), label=outcomes["late"])
    split = TimeSplit(validation_days=1, test_days=1)
    dataset = TrainingDataset(name="flights", view=view, split=split, owner="team:test")
    return Model(name=name, dataset=dataset, owner="team:test", gates=(Gate(metric="auc", minimum=0.7),))


def make_record(model=None, **given):
    said = {
        "run_name": "first",
        "model": model or make_model(),
        "features": FEATURES,
        "example": make_rows(3),
        "dataset": DatasetReference(name="flights", digest="5f" * 32, source="data/flights/1", rows={"train": 300, "test": 100}),
        "params": {"max_depth": 6, "device": "cpu"},
        "metrics": {"auc_test": 0.75, "auc_train": 0.8},
        "learning_curve": {"logloss_train": [0.6, 0.5], "logloss_validation": [0.61, 0.55]},
        "figures": {"roc": b"\x89PNG"},
        "tags": {"dagster_run_id": "abc", "dataset_hash": "5f" * 32, "snapshot": "12"},
    }
    return TrainingRecord(**{**said, **given})


class Explosive:
    """Runs code when it is unpickled: it makes a folder, so that a test sees it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))
