import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.model_registry import ModelRegistry, TamperedModelError
from fti_assets.predictive_models import XGBoostModel

from .examples import make_contract, make_model, make_record, make_rows


class BrokenModel:
    def predict(self, rows):
        raise NotImplementedError

    def save(self, folder):
        raise OSError("No space left on device")


def model_file(registry, version):
    return next(Path(registry.artifact_root.removeprefix("file://")).rglob(f"{version.tags['model_id']}/**/model.ubj"))


def mlflow_run(registry, version):
    return registry._client.get_run(version.run_id)


def test_a_training_becomes_a_challenger(registry):
    version = registry.log_training(make_contract("logged"), make_record())
    assert (version.name, version.version, version.aliases) == ("logged", 1, ("challenger",))
    assert version.metrics == {"auc_test": 0.75, "auc_train": 0.8}
    assert version.tags["snapshot"] == "12"
    assert version.tags["model_file"] == "model.ubj"
    assert abs((datetime.now(UTC) - version.created_at).total_seconds()) < 60
    assert registry.run_url(version) == f"#/experiments/{version.experiment_id}/runs/{version.run_id}"


def test_the_run_holds_everything(registry):
    version = registry.log_training(make_contract("complete"), make_record())
    run = mlflow_run(registry, version)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params == {"max_depth": "6", "device": "cpu"}
    assert run.data.tags["dagster_run_id"] == "abc"
    assert run.inputs.dataset_inputs[0].dataset.name == "flights"
    assert run.inputs.dataset_inputs[0].dataset.digest == ("5f" * 32)[:36]
    assert [output.model_id for output in run.outputs.model_outputs] == [version.tags["model_id"]]
    curve = registry._client.get_metric_history(version.run_id, "curve_logloss_validation")
    assert [(point.step, point.value) for point in curve] == [(0, 0.61), (1, 0.55)]
    assert [file.path for file in registry._client.list_artifacts(version.run_id, "figures")] == ["figures/roc.png"]
    assert registry._client.get_experiment(version.experiment_id).name == "complete"


def test_a_learning_curve_longer_than_a_batch_and_a_metric_that_is_no_number(registry):
    record = make_record(learning_curve={"logloss_train": list(range(1500))}, metrics={"auc_test": float("nan")})
    version = registry.log_training(make_contract("long_curve"), record)
    assert np.isnan(version.metrics["auc_test"])
    assert len(registry._client.get_metric_history(version.run_id, "curve_logloss_train")) == 1500


def test_what_is_loaded_predicts_as_what_was_logged(registry):
    model = make_model(seed=7)
    registry.log_training(make_contract("loaded"), make_record(model))
    loaded = registry.load("loaded", "challenger")
    assert loaded.version.version == 1
    np.testing.assert_allclose(loaded.predict(make_rows()), model.predict(make_rows()), rtol=0, atol=1e-7)


def test_any_mlflow_client_can_load_it_and_give_it_raw_rows(registry, tmp_path):
    model = make_model(seed=8)
    registry.log_training(make_contract("any_client"), make_record(model))
    registry.promote("any_client", 1, reason="test", figures={})
    make_rows(20).to_pandas().to_pickle(tmp_path / "rows.pkl")
    code = f"""
import mlflow, pandas
mlflow.set_tracking_uri({registry.tracking_uri!r})
model = mlflow.pyfunc.load_model("models:/any_client@champion")
rows = pandas.read_pickle({str(tmp_path / "rows.pkl")!r})
whole = model.predict(rows[["carrier", "delay", "hour", "holiday"]])
known = rows.index != 3
gaps = rows.assign(hour=rows["hour"].where(known), holiday=rows["holiday"].astype(object).where(known))
with_gaps = model.predict(gaps)
print(",".join(map(str, whole.tolist())), len(with_gaps))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    scores, rows = done.stdout.split()
    np.testing.assert_allclose([float(score) for score in scores.split(",")], model.predict(make_rows(20)), atol=1e-7)
    assert rows == "20"


def test_the_newest_training_is_the_challenger(registry):
    for seed in range(2):
        registry.log_training(make_contract("twice"), make_record(make_model(seed), metrics={"auc_test": seed / 10}))
    newest, oldest = registry.versions("twice")
    assert (newest.version, newest.aliases, newest.metrics) == (2, ("challenger",), {"auc_test": 0.1})
    assert (oldest.version, oldest.aliases, oldest.metrics) == (1, (), {"auc_test": 0.0})
    assert registry.get("twice", 1) == oldest
    assert registry.get("twice", "2") == newest
    assert "twice" in registry.models()


def test_a_promotion_keeps_the_champion_before_it(registry):
    for _ in range(3):
        registry.log_training(make_contract("promoted"), make_record())
    registry.promote("promoted", 1, reason="first", figures={"auc": 0.74})
    registry.promote("promoted", 2, reason="better by 0.01", figures={"auc": 0.75})
    assert {version.version: version.aliases for version in registry.versions("promoted")} == {
        1: ("previous",),
        2: ("champion",),
        3: ("challenger",),
    }
    champion = registry.get("promoted", "champion")
    assert (champion.tags["decision"], champion.tags["decision_reason"]) == ("promoted", "better by 0.01")
    assert champion.tags["decision_figures"] == '{"auc": 0.75}'
    assert datetime.fromisoformat(champion.tags["decided_at"]).tzinfo == UTC


def test_promoting_the_champion_again_keeps_the_previous_one(registry):
    for _ in range(2):
        registry.log_training(make_contract("again"), make_record())
    for version in (1, 2, 2):
        registry.promote("again", version, reason="test", figures={})
    assert registry.get("again", "previous").version == 1
    assert registry.get("again", "champion").version == 2


def test_a_rejection_says_why_and_leaves_the_champion(registry):
    for _ in range(2):
        registry.log_training(make_contract("rejected"), make_record())
    registry.promote("rejected", 1, reason="first", figures={})
    rejected = registry.reject("rejected", 2, "auc 0.70 is below 0.72")
    assert (rejected.tags["decision"], rejected.tags["decision_reason"]) == ("rejected", "auc 0.70 is below 0.72")
    assert registry.get("rejected", "champion").version == 1


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        pytest.param(
            "champion",
            r"Alias 'champion' is not in model 'asked'.*It has: challenger\. .*models/asked_validation",
            id="no_champion",
        ),
        pytest.param("previous", "It has: challenger. There is one after the second promotion.", id="no_previous"),
        pytest.param("challenge", r"Did you mean 'challenger'\?", id="misspelt_alias"),
        pytest.param(7, r"Model 'asked' has no version 7\. It has: 1\.", id="no_such_version"),
        pytest.param("7", r"Model 'asked' has no version 7\. It has: 1\.", id="no_such_version_as_text"),
    ],
)
def test_what_is_not_there_is_named(registry, wanted, message):
    if "asked" not in registry.models():
        registry.log_training(make_contract("asked"), make_record())
    for find in (registry.get, registry.load):
        with pytest.raises(NotFoundError, match=message):
            find("asked", wanted)


def test_an_unknown_model_is_named_with_those_that_exist(registry):
    registry.log_training(make_contract("known_model"), make_record())
    for find in (registry.versions, lambda name: registry.get(name, "champion"), lambda name: registry.load(name, 1)):
        with pytest.raises(
            NotFoundError, match=r"Model 'know_model' is not in the registry\. Did you mean 'known_model'.*models/know_model"
        ):
            find("know_model")


@pytest.mark.parametrize("act", [pytest.param("promote", id="promote"), pytest.param("reject", id="reject")])
def test_a_decision_on_an_unknown_version_changes_nothing(registry, act):
    name = f"undecided_{act}"
    registry.log_training(make_contract(name), make_record())
    with pytest.raises(NotFoundError, match="has no version 9"):
        registry.promote(name, 9, reason="", figures={}) if act == "promote" else registry.reject(name, 9, "")
    assert registry.get(name, 1).aliases == ("challenger",)


def test_a_tampered_file_is_refused_before_it_is_parsed(registry, monkeypatch):
    version = registry.log_training(make_contract("tampered"), make_record())
    path = model_file(registry, version)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"UA"', b'"UB"').replace(b"UA", b"UB"))
    assert path.read_bytes() != content
    parsed = []
    monkeypatch.setattr(XGBoostModel, "from_bytes", lambda *_, **__: parsed.append(1))
    with pytest.raises(TamperedModelError, match="The file of tampered version 1 is not the one registered"):
        registry.load("tampered", "challenger")
    assert parsed == []


def test_a_lost_file_is_named(registry):
    version = registry.log_training(make_contract("lost"), make_record())
    model_file(registry, version).unlink()
    with pytest.raises(TamperedModelError, match=r"The file of lost version 1 cannot be read from .*model\.ubj"):
        registry.load("lost", 1)


def test_a_failure_before_registration_leaves_no_version(registry):
    with pytest.raises(OSError, match="No space left"):
        registry.log_training(make_contract("broken"), make_record(BrokenModel()))
    assert "broken" not in registry.models()
    experiment = registry._client.get_experiment_by_name("broken")
    runs = registry._client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"]


def test_a_failure_keeps_the_versions_that_exist(registry):
    registry.log_training(make_contract("half"), make_record())
    with pytest.raises(OSError, match="No space left"):
        registry.log_training(make_contract("half"), make_record(BrokenModel()))
    assert [(version.version, version.aliases) for version in registry.versions("half")] == [(1, ("challenger",))]


def test_an_alias_that_cannot_be_set_takes_the_version_back(registry, monkeypatch):
    registry.log_training(make_contract("no_alias"), make_record())

    def fail(*_):
        raise OSError("database is locked")

    monkeypatch.setattr(registry._client, "set_registered_model_alias", fail)
    with pytest.raises(OSError, match="locked"):
        registry.log_training(make_contract("no_alias"), make_record())
    assert [version.version for version in registry.versions("no_alias")] == [1]


@pytest.mark.parametrize(
    ("error", "raised"),
    [pytest.param(OSError("connection lost"), False, id="lost_answer"), pytest.param(SystemExit(143), True, id="told_to_stop")],
)
@pytest.mark.parametrize("method", ["set_registered_model_alias", "delete_model_version_tag"])
def test_what_fails_after_the_alias_is_set_leaves_the_new_challenger(registry, monkeypatch, method, error, raised):
    name = f"{method[:3]}_{raised}".lower()
    registry.log_training(make_contract(name), make_record())
    done = getattr(registry._client, method)

    def fail(*given):
        done(*given)
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(registry._client, method, fail)
        with pytest.raises(SystemExit) if raised else nullcontext():
            assert registry.log_training(make_contract(name), make_record()).version == 2
    assert [(one.version, one.aliases) for one in registry.versions(name)] == [(2, ("challenger",)), (1, ())]
    registry.promote(name, 2, reason="it is whole", figures={})


def test_a_registration_that_is_taken_back_leaves_the_challenger_before(registry, monkeypatch):
    """The answer is lost, and the alias is set only when it has been asked for already."""
    registry.log_training(make_contract("late_alias"), make_record())
    client, late = registry._client, []
    set_alias, delete = client.set_registered_model_alias, client.delete_model_version

    def lose(name, alias, number):
        if late:
            set_alias(name, alias, number)
            return
        late.append((name, alias, number))
        raise OSError("connection lost")

    def delete_later(name, number):
        set_alias(*late[0])
        delete(name, number)

    with monkeypatch.context() as broken:
        broken.setattr(client, "set_registered_model_alias", lose)
        broken.setattr(client, "delete_model_version", delete_later)
        with pytest.raises(OSError, match="connection lost"):
            registry.log_training(make_contract("late_alias"), make_record())
    assert [(one.version, one.aliases) for one in registry.versions("late_alias")] == [(1, ("challenger",))]


@pytest.mark.parametrize("status", ["FAILED", "FINISHED"])
def test_a_run_that_cannot_be_ended_hides_neither_error_nor_version(registry, monkeypatch, status):
    name = f"endless_{status.lower()}"

    def fail(*_):
        raise OSError("the server is gone")

    with monkeypatch.context() as broken:
        broken.setattr(registry._client, "set_terminated", fail)
        if status == "FAILED":
            with pytest.raises(OSError, match="No space left"):
                registry.log_training(make_contract(name), make_record(BrokenModel()))
        else:
            assert registry.log_training(make_contract(name), make_record()).aliases == ("challenger",)


def test_of_two_first_trainings_the_later_finds_the_experiment(registry, monkeypatch):
    create = registry._client.create_experiment

    def create_second(name, **given):
        create(name, **given)
        return create(name, **given)

    monkeypatch.setattr(registry._client, "create_experiment", create_second)
    assert registry._experiment_id("two_at_once") == registry._client.get_experiment_by_name("two_at_once").experiment_id


def test_another_process_sees_the_same_registry(registry):
    registry.log_training(make_contract("shared"), make_record())
    other = ModelRegistry(registry.tracking_uri)
    assert other.get("shared", "challenger") == registry.get("shared", "challenger")
    assert other.load("shared", 1).predict(make_rows()).shape == (400,)


def test_artefacts_lie_beside_the_database_unless_told(tmp_path):
    assert ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db").artifact_root == (tmp_path / "artifacts").as_uri()
    assert ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", "s3://models").artifact_root == "s3://models"
    assert ModelRegistry("http://localhost:5000").artifact_root is None


def test_the_name_of_a_model_is_checked(registry):
    with pytest.raises(DefinitionError, match=r"A model cannot be named .*drop"):
        registry._experiment_id("name'; drop")


def test_pickle_is_switched_off_and_the_global_address_is_left_alone(registry):
    import mlflow
    from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION

    before = mlflow.get_tracking_uri()
    registry.log_training(make_contract("no_pickle"), make_record())
    assert MLFLOW_ALLOW_PICKLE_DESERIALIZATION.get() is False
    assert mlflow.get_tracking_uri() == before != registry.tracking_uri


def test_importing_the_package_imports_no_engine():
    code = (
        "import sys, fti_assets.model_registry, fti_assets.model_registry.retention, fti_assets.training\n"
        "print({'mlflow', 'xgboost', 'sklearn', 'matplotlib', 'torch', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
