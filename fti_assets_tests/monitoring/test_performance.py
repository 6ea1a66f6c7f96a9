"""Realised quality by day, on literal predictions."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring import daily_performance, predictions_with_outcomes
from fti_assets.vocabulary import Gate, Model, Monitor, Predictions
from fti_assets_tests.feature_store.examples import (
    DAY,
    HOUR,
    OUTCOMES,
    PROMISE,
    T0,
    TRIPS,
    YEAR,
    make_dataset,
    make_view,
    rows_of,
)

VIEW = make_view(own=("distance",))
MODEL = Model(name="delay", dataset=make_dataset(VIEW), owner="team:test", gates=(Gate(metric="auc", minimum=0.5),))
PREDICTIONS = Predictions(name="delay", model=MODEL, contract=PROMISE)
MONITOR = Monitor(name="delay", predictions=PREDICTIONS, contract=PROMISE)


def rows(*made):
    """Rows of (day, prediction, model version, outcome)."""
    kinds = {"day": pa.string(), "prediction": pa.float64(), "model_version": pa.int64(), "outcome": pa.float64()}
    return pa.table({name: pa.array([row[n] for row in made], kind) for n, (name, kind) in enumerate(kinds.items())})


def figures(*made, training_auc=None):
    return daily_performance(MONITOR, rows(*made), training_auc or {}).to_pylist()


def test_the_figures_of_a_day():
    (day,) = figures(
        ("2024-01-10", 0.2, 1, 0.0),
        ("2024-01-10", 0.4, 1, 1.0),
        ("2024-01-10", 0.8, 2, 1.0),
        ("2024-01-10", 0.6, 2, 0.0),
        training_auc={2: 0.9},
    )
    assert day["day"] == datetime(2024, 1, 10, tzinfo=UTC)
    assert (day["predictions"], day["outcomes"], day["model_version"], day["training_auc"]) == (4, 4, 2, 0.9)
    assert day["auc"] == 0.75
    assert day["brier"] == pytest.approx((0.04 + 0.36 + 0.04 + 0.36) / 4)
    assert (day["base_rate"], day["mean_prediction"]) == (0.5, pytest.approx(0.5))


def test_a_day_whose_outcomes_are_all_the_same_has_no_auc():
    (day,) = figures(("2024-01-10", 0.2, 1, 0.0), ("2024-01-10", 0.4, 1, 0.0))
    assert day["auc"] is None
    assert (day["base_rate"], day["training_auc"]) == (0.0, None)
    assert day["log_loss"] > 0


def test_unknown_outcomes_are_counted_and_left_out():
    first, second = figures(("2024-01-11", 0.9, 1, None), ("2024-01-10", 0.2, 1, None), ("2024-01-10", 0.5, 1, 1.0))
    assert (first["predictions"], first["outcomes"], first["mean_prediction"]) == (2, 1, 0.5)
    assert (second["predictions"], second["outcomes"]) == (1, 0)
    assert {second[name] for name in ("auc", "log_loss", "brier", "calibration_error", "base_rate", "mean_prediction")} == {None}


def test_no_predictions_no_days():
    table = daily_performance(MONITOR, rows(), {})
    assert table.num_rows == 0
    assert table.column_names == [column.name for column in MONITOR.table.columns]


def test_predictions_meet_their_newest_outcome_and_the_figures_fit_the_table(tmp_path):
    store = FeatureStore(tmp_path)
    made = [(1, T0, 0.3, 1, 1, 1, T0), (2, T0, 0.6, 1, 1, 1, T0), (3, T0 + DAY, 0.9, 2, 1, 1, T0)]
    store.publish(PREDICTIONS, rows_of(PREDICTIONS, *made), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, (1, T0 + HOUR, True), (1, T0 + 2 * HOUR, False), (2, T0 + HOUR, True)), YEAR)
    with store.connect() as connection:
        found = predictions_with_outcomes(store, connection, MONITOR, YEAR)
        assert sorted(found.to_pylist(), key=lambda row: row["prediction"]) == [
            {"day": "2024-01-10", "prediction": 0.3, "model_version": 1, "outcome": 0.0},
            {"day": "2024-01-10", "prediction": 0.6, "model_version": 1, "outcome": 1.0},
            {"day": "2024-01-11", "prediction": 0.9, "model_version": 2, "outcome": None},
        ]
        assert predictions_with_outcomes(store, connection, MONITOR, TRIPS.cadence.window("2024-01-11")).num_rows == 1
    assert store.publish(MONITOR, daily_performance(MONITOR, found, {}), YEAR).rows == 2
