"""Models, rows and online tables of the small system."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa

from fti_assets.model_registry import DatasetReference, TrainingRecord
from fti_assets.predictive_models import SklearnModel, XGBoostModel
from fti_assets.predictive_models.xgboost import feature_names, feature_types
from fti_assets.transformations import fit_transformations
from fti_assets.vocabulary import Categorical, Column, Numeric
from fti_assets_tests.serving.contracts import CARRIERS, DEPARTS, FLIGHTS, HOUR, MICROSECOND, MODEL, NOW, VIEW, WEATHER

FEATURES = tuple(Column(one.name, one.type) for one in VIEW.feature_columns)
UA = {"carrier": "UA", "number": 12, "departs": "2024-01-10T15:00:00Z"}
B6 = {"carrier": "B6", "number": 7, "departs": "2024-01-10T15:00:00Z"}
UA_FEATURES = {
    "carrier": "UA",
    "origin": "EWR",
    "distance": 719.0,
    "holiday": False,
    "temp_f": 30.5,
    "wind_mph": 12.0,
    "fleet": 700,
    "hours_left": 3.0,
}
"""Of flight UA 12, asked for at NOW."""


def training_rows(count=600, seed=0):
    chance = np.random.default_rng(seed)
    wind, distance = chance.gamma(3, 4, count), chance.uniform(100, 2500, count)
    late = wind + 5 * (chance.random(count) < 0.2) + chance.normal(0, 4, count) > 16
    return pa.table(
        {
            "carrier": pa.array(chance.choice(["AA", "B6", "UA"], count)),
            "origin": pa.array(chance.choice(["EWR", "JFK"], count)),
            "distance": pa.array(distance, mask=chance.random(count) < 0.05),
            "holiday": pa.array(chance.random(count) < 0.1),
            "temp_f": pa.array(chance.normal(40, 15, count)),
            "wind_mph": pa.array(wind, mask=chance.random(count) < 0.1),
            "fleet": pa.array(chance.integers(50, 900, count)),
            "hours_left": pa.array(chance.uniform(0, 5, count)),
            "late": pa.array(late),
        }
    )


def make_model(seed=0, rounds=20):
    import xgboost

    rows = training_rows(seed=seed)
    made = fit_transformations((), FEATURES, rows.column)
    data = xgboost.DMatrix(
        made.matrix(rows),
        label=rows["late"].to_numpy(),
        feature_names=feature_names(made.columns),
        feature_types=feature_types(made.columns),
    )
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "seed": seed}, data, num_boost_round=rounds)
    return XGBoostModel(booster, made, "late")


def make_linear_model():
    from sklearn.linear_model import LogisticRegression

    rows = training_rows()
    declared = (Numeric(impute="median", scale="standard"), Categorical(encode="one_hot"))
    made = fit_transformations(declared, FEATURES, rows.column)
    estimator = LogisticRegression().fit(made.matrix(rows), rows["late"].to_numpy())
    return SklearnModel(estimator, made, "late")


def make_record(model, view_version="1"):
    rows = training_rows(20)
    return TrainingRecord(
        run_name="training",
        model=model,
        features=FEATURES,
        example=rows.select([feature.name for feature in FEATURES]),
        dataset=DatasetReference(name="flights", digest="5f" * 32, source="data/flights/1", rows={"train": 600}),
        metrics={"auc_test": 0.75},
        tags={"view_version": view_version},
    )


def promote(registry, model, contract=MODEL, view_version="1"):
    """Registers a model and makes it the champion; returns its version."""
    version = registry.log_training(contract, make_record(model, view_version)).version
    registry.promote(contract.name, version, reason="test", figures={})
    return version


def fill(store):
    """Two flights that are asked for at NOW. The weather at JFK is older than its ttl; carrier B6 is not known."""
    store.replace(
        FLIGHTS,
        pa.table(
            {
                "carrier": ["UA", "B6"],
                "number": pa.array([12, 7], pa.int64()),
                "departs": pa.array([DEPARTS, DEPARTS], pa.timestamp("us", "UTC")),
                "asked_at": pa.array([NOW - HOUR, NOW - HOUR], pa.timestamp("us", "UTC")),
                "origin": ["EWR", "JFK"],
                "distance": [719.0, None],
                "holiday": [False, True],
            }
        ),
    )
    times = [NOW - HOUR, NOW - timedelta(hours=6) - MICROSECOND]
    weather = {
        "origin": ["EWR", "JFK"],
        "known_at": pa.array(times, pa.timestamp("us", "UTC")),
        "temp_f": [30.5, 28.0],
        "wind_mph": [12.0, 31.0],
    }
    store.replace(WEATHER, pa.table(weather))
    store.replace(CARRIERS, pa.table({"carrier": ["UA"], "fleet": pa.array([700], pa.int64())}))
