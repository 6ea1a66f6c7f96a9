"""What a training leaves in the registry, and what a later challenger is held against."""

import re
from dataclasses import replace

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.training import TrainingData, TrainingRun, XGBoostTrainer, evaluate, judge, train
from fti_assets.vocabulary import Costs, Gate

from . import programs

MODEL = replace(
    programs.MODEL,
    slices=("carrier",),
    sensitive=("carrier",),
    costs=Costs(false_positive=1, false_negative=4, unit="EUR"),
    gates=(Gate(metric="auc", champion_margin=0.0),),
)
PROGRAM = replace(programs.tiny, model=MODEL, baseline=("carrier",))


@pytest.fixture(scope="module")
def stores(tmp_path_factory, put_registry):
    root = tmp_path_factory.mktemp("stores")
    store = FeatureStore(root / "lake")
    programs.cut_flights(store)
    return store, put_registry(root)


@pytest.fixture(scope="module")
def trained(stores):
    store, registry = stores
    return train(PROGRAM, store, registry, run=TrainingRun(threads=1), tags={"dagster_run_id": "abc"})


def test_card_slices_and_figures_are_in_the_registry(stores, trained):
    registry, test = stores[1], trained.evaluations["test"]
    assert registry.card(trained.version) == trained.card
    assert "| dagster_run_id | abc |" in trained.card
    assert set(re.findall(r"figures/(\w+)\.png", trained.card)) == set(trained.pictures)
    assert set(trained.pictures) >= {"roc", "precision_recall", "calibration", "cost", "slices", "explanation"}
    slices = registry.slices(trained.version)
    assert [one["value"] for one in slices] == [one.value for one in test.slices]
    assert slices[0]["auc_low"] == test.slices[0].auc.low
    metrics = registry.get(MODEL.name, "challenger").metrics
    assert metrics["auc_test"] == test.metrics["auc"]
    assert metrics["auc_low_test"] == test.intervals["auc"].low
    assert metrics["threshold"] == trained.report.threshold.value
    assert metrics["baseline_auc_test"] == trained.report.baseline.metrics["auc"]


def test_a_challenger_is_held_against_the_champion_on_the_same_rows(stores, trained):
    store, registry = stores
    data = TrainingData.of(MODEL, store.dataset(MODEL.dataset.name)[0])
    champion = evaluate(registry.load(MODEL.name, trained.version.version), data)
    same = judge(MODEL.gates, evaluate(registry.load(MODEL.name, "challenger"), data), champion)
    assert same.promoted
    assert "equals the champion's" in same.reason
    longer = evaluate(XGBoostTrainer(rounds=60).fit(data, TrainingRun(threads=1)).model, data)
    assert not judge(MODEL.gates, longer, champion).promoted  # 400 rows do not tell whether it ranks better
    gates = (Gate(metric="log_loss", champion_margin=0.0),)
    better, worse = judge(gates, longer, champion), judge(gates, champion, longer)
    assert better.promoted
    assert better.results[0].comparison.p_value < 0.05
    assert not worse.promoted
