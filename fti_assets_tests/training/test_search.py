import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.training import SearchSettings, TrainingRun, XGBoostTrainer, search

from . import searched
from .programs import MODEL, cut_flights, tiny

ONE = TrainingRun(threads=1)
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = FeatureStore(tmp_path_factory.mktemp("search"))
    cut_flights(made)
    return made


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
    monkeypatch.setattr(searched, "flights", replace(searched.flights, space=lambda trial: ended_by(marker, trial)))
    settings = SearchSettings(trials=4, seed=4)
    with pytest.raises(KeyboardInterrupt):
        search(searched.flights, store, registry, settings, run=ONE)
    assert [run.data.tags["state"] for run in runs_of(registry, "trial")].count("complete") == 2
    assert registry.models() == []

    found = search(searched.flights, store, registry, settings, run=ONE)

    assert sum(trial.state in ("complete", "pruned") for trial in found.trials) == 4
    assert sum(trial.state == "failed" for trial in found.trials) == 1  # that in which it was ended
    assert found.trials[0].loss is not None
    assert found.trials[1].loss is not None


def test_only_the_best_keeps_checkpoints_and_in_a_folder_of_the_search(store, registry, monkeypatch):
    kept = []

    class Notes(XGBoostTrainer):
        def fit(self, data, run):
            kept.append(run.checkpoints)
            return super().fit(data, run)

    def space(trial):
        return Notes(rounds=2, learning_rate=trial.suggest_float("learning_rate", 0.1, 0.2))

    monkeypatch.setattr(searched, "flights", replace(searched.flights, space=space))
    found = search(searched.flights, store, registry, SearchSettings(trials=1, seed=14), run=ONE)

    place = store.root / "searches" / "flights" / found.trained.version.tags["search"]
    assert kept == [None, place / "checkpoints" / "0"]
    assert not (place / "checkpoints").exists()


def ended_by(marker, trial):
    return searched.Ends(marker, searched.few_trees(trial))


def test_a_trial_that_fails_ends_no_search(store, registry):
    found = search(searched.unlucky, store, registry, SearchSettings(trials=3, seed=10), run=ONE)

    assert [trial.state for trial in found.trials].count("failed") == 1
    assert len(found.trials) == 4
    assert found.trials[1].reason == "DefinitionError: A search needs the figure 'logloss'; this trainer reports auc."


def test_another_space_is_another_search(store, registry, monkeypatch):
    search(searched.flights, store, registry, SearchSettings(trials=2, seed=11), run=ONE)
    monkeypatch.setattr(searched, "flights", replace(searched.flights, space=searched.sometimes_fails))
    found = search(searched.flights, store, registry, SearchSettings(trials=2, seed=11), run=ONE)

    assert [trial.number for trial in found.trials if trial.state != "failed"] == [0, 2]


def test_a_choice_among_tuples_is_found_again(store, registry):
    found = search(searched.chooses, store, registry, SearchSettings(trials=2, seed=12), run=ONE)

    metrics = registry._client.get_run(found.trained.version.run_id).data.params["metrics"]
    assert metrics == ", ".join(found.best.params["metrics"])


def test_workers_end_with_the_process_that_started_them(store, tmp_path):
    code = f"""
import os
from pathlib import Path
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.training import SearchSettings, TrainingRun, search
from fti_assets_tests.training import searched

if __name__ == "__main__":
    registry = ModelRegistry("sqlite:///{tmp_path}/mlflow/mlflow.db")
    store = FeatureStore(Path({str(store.root)!r}))
    search(searched.flights, store, registry, SearchSettings(trials=500, workers=2, seed=13), run=TrainingRun(threads=1))
"""
    (tmp_path / "main.py").write_text(code)
    started = subprocess.Popen(
        [sys.executable, tmp_path / "main.py"], env={**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(Path.cwd())}
    )
    workers = until(lambda: len(found := children(started.pid)) >= 2 and found)
    started.kill()
    started.wait()

    until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()])


def children(parent):
    found = [path for path in Path("/proc").glob("[0-9]*") if path.name.isdigit()]
    said = {}
    for path in found:
        with suppress(OSError):
            said[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, of in said.items() if of == parent]


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "It never happened."
        time.sleep(0.2)
    return found


def test_several_workers_share_one_search(store, registry):
    found = search(searched.flights, store, registry, SearchSettings(trials=3, workers=2, seed=5), run=ONE)

    assert [trial.state for trial in found.trials] == ["complete"] * 3
    assert len({trial.params["learning_rate"] for trial in found.trials}) == len(found.trials)


def test_a_trial_whose_worker_died_is_made_up_for(store, registry):
    found = search(searched.deadly, store, registry, SearchSettings(trials=3, workers=2, seed=5), run=ONE)

    states = [trial.state for trial in found.trials]
    assert states[1] == "failed"
    assert states.count("complete") == 3


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
    with pytest.raises(FtiError, match=r"None of \d trials was finished. The first failed: FtiError: This space is empty"):
        search(searched.hopeless, store, registry, SearchSettings(trials=2), run=ONE)
    assert registry.models() == []


def test_a_search_without_trials_is_refused():
    with pytest.raises(DefinitionError, match="needs a trial and a worker"):
        SearchSettings(trials=0)
