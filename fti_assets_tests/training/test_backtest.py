from dataclasses import replace
from datetime import date

import pytest

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore
from fti_assets.training import TrainingRun, XGBoostTrainer, backtest, train, training_program
from fti_assets.vocabulary import TimeSplit

from .programs import DATASET, MODEL, cut_flights

ONE = TrainingRun(threads=1)
pytestmark = pytest.mark.usefixtures("undrawn")
BY_TIME = replace(MODEL, dataset=replace(DATASET, split=TimeSplit(validation_days=1, test_days=1)))


@training_program(MODEL)
def flights(data, run):
    return XGBoostTrainer(rounds=5, max_depth=3).fit(data, run)


@training_program(BY_TIME)
def flights_by_time(data, run):
    raise AssertionError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = FeatureStore(tmp_path_factory.mktemp("backtest"))
    cut_flights(made)
    return made


def test_each_cutoff_is_measured_and_found_again(store, registry):
    late = backtest(flights, store, registry, date(2024, 1, 3), run=ONE)
    early = backtest(flights, store, registry, date(2024, 1, 2), run=ONE)

    assert registry.backtests("flights") == [(early.cutoff, early.metrics), (late.cutoff, late.metrics)]
    assert early.metrics["rows"] < late.metrics["rows"]
    assert 0.6 < late.metrics["auc"] < 1
    assert registry.models() == []


def test_a_cutoff_that_is_measured_again_replaces_what_was_found(store, registry):
    backtest(flights, store, registry, date(2024, 1, 3), run=ONE)
    backtest(flights, store, registry, date(2024, 1, 3), run=ONE)

    assert len(registry.backtests("flights")) == 1


def test_no_training_takes_a_backtest_for_its_dataset(store, registry):
    newest = store.dataset("flights")[1].id
    backtest(flights, store, registry, date(2024, 1, 2), run=ONE)

    assert store.dataset("flights")[1].id == newest
    assert train(flights, store, registry, run=ONE).manifest.id == newest


def test_a_cutoff_without_days_to_train_on_is_refused(store, registry):
    with pytest.raises(DefinitionError, match="none is left to train on"):
        backtest(flights_by_time, store, registry, date(2024, 1, 3), run=ONE)
    assert registry.backtests("flights") == []
