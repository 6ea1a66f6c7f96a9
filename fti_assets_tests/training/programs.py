"""A tiny model over two days of made-up flights, and programs that fail in every way there is. Imported by workers too."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, date, datetime

import pyarrow as pa
from dagster_pipes import PipesContext

from fti_assets.feature_store import FeatureStore
from fti_assets.training import FittedModel, TrainingData, TrainingDataError, TrainingRun, XGBoostTrainer, training_program
from fti_assets.vocabulary import (
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Gate,
    Model,
    RandomSplit,
    TrainingDataset,
    Window,
)

from .examples import FEATURES, make_rows

FLIGHT, PROMISE = Entity("flight", keys=("flight",)), Contract(owner="team:test")
FLIGHTS = FeatureGroup(
    name="flights",
    version=1,
    entity=FLIGHT,
    event_time="at",
    cadence=Daily(start="2024-01-01"),
    features=tuple(Feature(one.name, one.type) for one in FEATURES),
    contract=PROMISE,
)
OUTCOMES = FeatureGroup(
    name="outcomes",
    version=1,
    entity=FLIGHT,
    event_time="landed_at",
    cadence=FLIGHTS.cadence,
    features=(Feature("late", "bool"),),
    contract=PROMISE,
)
VIEW = FeatureView(name="flights", version=1, spine=FLIGHTS, at="at", features=(FLIGHTS.all_features,), label=OUTCOMES["late"])
DATASET = TrainingDataset(name="flights", view=VIEW, split=RandomSplit(validation_share=0.2, test_share=0.2), owner="team:test")
MODEL = Model(name="flights", dataset=DATASET, owner="team:test", gates=(Gate(metric="auc", minimum=0.6),))
DAYS = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))


def cut_flights(store: FeatureStore) -> str:
    """Publishes the flights, cuts the training dataset and returns its id."""
    rows = make_rows(2000)
    at = rows["at"].cast(pa.timestamp("us", tz="UTC"))
    store.publish(FLIGHTS, rows.drop(["at", "late"]).append_column("at", at), DAYS)
    store.publish(OUTCOMES, rows.select(["flight", "late"]).append_column("landed_at", at), DAYS)
    return store.cut(DATASET, date(2024, 1, 4), code_version="test")[1].id


@training_program(MODEL)
def tiny(data: TrainingData, run: TrainingRun) -> FittedModel:
    """Five trees."""
    return XGBoostTrainer(rounds=5, max_depth=3).fit(data, run)


@training_program(MODEL)
def refuses(data: TrainingData, run: TrainingRun) -> FittedModel:
    raise TrainingDataError("These flights cannot be trained on.", next_step="Take others.")


@training_program(MODEL)
def crashes(data: TrainingData, run: TrainingRun) -> FittedModel:
    import module_that_is_not_installed  # noqa: F401

    raise AssertionError


@training_program(MODEL)
def is_killed(data: TrainingData, run: TrainingRun) -> FittedModel:
    run.progress("about to be killed")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@training_program(MODEL)
def takes_for_ever(data: TrainingData, run: TrainingRun) -> FittedModel:
    run.progress(f"process {os.getpid()}")
    time.sleep(120)
    raise AssertionError


@training_program(MODEL)
def needs_two_attempts(data: TrainingData, run: TrainingRun) -> FittedModel:
    """Dies at the first attempt, and goes on from its checkpoint at the second."""
    assert run.checkpoints is not None
    kept = run.checkpoints / "state"
    if not kept.exists():
        run.checkpoints.mkdir(parents=True)
        kept.write_text("half of it")
        PipesContext.get().report_custom_message({"model": "flights", "version": 1})
        os.kill(os.getpid(), signal.SIGKILL)
    run.progress(f"going on from {kept.read_text()}")
    return tiny.function(data, run)
