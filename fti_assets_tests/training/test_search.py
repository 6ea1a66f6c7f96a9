from dataclasses import replace

import pytest

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.training import SearchSettings, TrainingRun, search

from . import searched
from .programs import MODEL, cut_flights, tiny

ONE = TrainingRun(threads=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = FeatureStore(tmp_path_factory.mktemp("search"))
    cut_flights(made)
    return made


@pytest.fixture
def registry(tmp_path):
    return ModelRegistry(f"sqlite:///{tmp_path}/mlflow/mlflow.db")


def runs_of(registry, kind):
    client = registry._client
    experiment = client.get_experiment_by_name(MODEL.name)
    return client.search_runs([experiment.experiment_id], filter_string=f"tags.`fti.kind` = '{kind}'")


def test_the_best_trial_is_trained_as_the_challenger(store, registry):
    told = []
    found = search(
        searched.flights, store, registry, SearchSettings(trials=6, seed=1), run=TrainingRun(threads=1, progress=told.append)
    )

    assert [trial.number for trial in found.trials] == list(range(6))
    assert found.best.loss == min(trial.loss for trial in found.trials)
    challenger = registry.get("flights", "challenger")
    assert challenger.version == found.trained.version.version
    assert challenger.metrics["log_loss_validation"] == pytest.approx(found.best.loss, abs=1e-4)
    assert challenger.tags["search_trials"] == "6"
    assert challenger.tags["program"] == "fti_assets_tests.training.searched:flights"
    params = registry._client.get_run(challenger.run_id).data.params
    assert float(params["learning_rate"]) == found.best.params["learning_rate"]
    assert sum(line.startswith("trial ") for line in told) == 6


def test_trials_are_nested_runs(store, registry):
    found = search(searched.flights, store, registry, SearchSettings(trials=3, seed=2), run=ONE)

    (parent,) = runs_of(registry, "search")
    trials = runs_of(registry, "trial")
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in trials) == ["trial 0", "trial 1", "trial 2"]
    assert parent.data.metrics["best_log_loss_validation"] == pytest.approx(found.best.loss)
    assert {float(run.data.params["learning_rate"]) for run in trials} == {t.params["learning_rate"] for t in found.trials}


def test_a_search_goes_on_where_it_was(store, registry):
    first = search(searched.flights, store, registry, SearchSettings(trials=2, seed=3), run=ONE)
    again = search(searched.flights, store, registry, SearchSettings(trials=4, seed=3), run=ONE)

    assert [trial.params for trial in again.trials[:2]] == [trial.params for trial in first.trials]
    assert len({trial.params["learning_rate"] for trial in again.trials}) == 4
    assert len(again.trials) == 4
    assert len(runs_of(registry, "search")) == 1  # the run of the first call is replaced
    assert len(runs_of(registry, "trial")) == 4


def test_a_search_that_was_ended_keeps_its_trials(store, registry, tmp_path, monkeypatch):
    marker = tmp_path / "fits"
    monkeypatch.setattr(
        searched,
        "flights",
        replace(searched.flights, space=lambda trial: searched.Ends(marker, searched.few_trees(trial))),
    )
    settings = SearchSettings(trials=4, seed=4)
    with pytest.raises(KeyboardInterrupt):
        search(searched.flights, store, registry, settings, run=ONE)
    assert runs_of_nothing(registry)

    found = search(searched.flights, store, registry, settings, run=ONE)

    assert [trial.state for trial in found.trials].count("complete") + [t.state for t in found.trials].count("pruned") >= 3
    assert found.trials[0].loss is not None
    assert found.trials[1].loss is not None


def runs_of_nothing(registry):
    return registry._client.get_experiment_by_name(MODEL.name) is None


def test_several_workers_share_one_search(store, registry):
    found = search(searched.flights, store, registry, SearchSettings(trials=4, workers=2, seed=5), run=ONE)

    assert 4 <= len([trial for trial in found.trials if trial.loss is not None]) <= 5  # both may begin the last one
    assert len({trial.params["learning_rate"] for trial in found.trials}) == len(found.trials)


def test_hopeless_trials_are_pruned(store, registry):
    settings = SearchSettings(trials=14, seed=6, startup_trials=4)
    found = search(searched.flights, store, registry, settings, run=ONE)

    states = [trial.state for trial in found.trials]
    assert states.count("pruned") > 0
    assert found.best.state == "complete"


def test_the_same_seed_searches_the_same(store, registry, tmp_path):
    first = search(searched.flights, store, registry, SearchSettings(trials=3, seed=7), run=ONE)
    copy = FeatureStore(tmp_path / "copy")
    cut_flights(copy)
    second = search(searched.flights, copy, registry, SearchSettings(trials=3, seed=7), run=ONE)

    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]


def test_a_program_without_a_space_cannot_be_searched(store, registry):
    with pytest.raises(DefinitionError, match="has no space to search"):
        search(tiny, store, registry, SearchSettings(trials=1))


def test_a_space_that_fails_says_so_and_registers_nothing(store, registry):
    with pytest.raises(FtiError, match="This space is empty"):
        search(searched.hopeless, store, registry, SearchSettings(trials=2), run=ONE)
    assert registry.models() == []


def test_a_search_without_trials_is_refused():
    with pytest.raises(DefinitionError, match="needs a trial and a worker"):
        SearchSettings(trials=0)
