"""What killed and failed trainings leave behind: no half-registered version, and no run that seems to go on."""

import json
import os
from dataclasses import replace

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.model_registry._process import Process

from .examples import make_contract, make_model, make_record
from .killed import killed_in, train
from .test_registry import BrokenModel

MODEL = make_model()
MOMENTS = {
    "files": "log_artifacts",
    "model_begun": "create_logged_model",
    "model": "finalize_logged_model",
    "version": "create_model_version",
    "alias": "set_registered_model_alias",
    "registered": "delete_model_version_tag",
}


def killed_training(registry, name, method, tags=None):
    """A training in a process that is killed right after it called a method of the client."""
    killed_in(train, registry, name, tags or {}, after=(method,))


def runs(registry, name):
    experiment = registry._client.get_experiment_by_name(name)
    return registry._client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def statuses(registry, name):
    return [run.info.status for run in runs(registry, name)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_that_is_killed_leaves_a_whole_version_or_none(registry, moment):
    name = f"killed_{moment}"
    registry.log_training(make_contract(name), make_record(MODEL))
    killed_training(registry, name, MOMENTS[moment])
    whole = moment in ("alias", "registered")
    expected = [2, 1] if whole else [1]
    assert [version.version for version in registry.versions(name)] == expected
    assert registry.get(name, "challenger").version == expected[0]
    if not whole:
        with pytest.raises(NotFoundError, match=r"has no version 2\. It has: 1\."):
            registry.get(name, 2)
    version = registry.log_training(make_contract(name), make_record(MODEL))
    assert registry.get(name, "challenger") == version
    raw = {int(one.version): one for one in registry._client.search_model_versions(f"name='{name}'")}
    assert sorted(raw) == sorted({*expected, version.version})
    assert not [one for one in raw.values() if "registration" in one.tags]
    assert statuses(registry, name) == ["FINISHED", "FINISHED" if whole else "KILLED", "FINISHED"]
    models = registry._client.search_logged_models([version.experiment_id])
    assert {str(one.status) for one in models} <= {"READY", "FAILED"}


def test_the_first_training_may_be_killed_too(registry):
    killed_training(registry, "killed_first", "create_model_version")
    assert "killed_first" not in registry.models()
    assert registry.log_training(make_contract("killed_first"), make_record(MODEL)).aliases == ("challenger",)
    assert [version.version for version in registry.versions("killed_first")] == [2]


def test_a_training_that_dagster_repeats_leaves_one_run(registry):
    tags = {"dagster_run_id": "run-1", "dagster_root_run_id": "run-1", "partition": "2024-01-01"}
    with pytest.raises(OSError, match="No space left"):
        registry.log_training(make_contract("repeated"), make_record(BrokenModel(), tags=tags))
    with pytest.raises(OSError, match="No space left"):
        registry.log_training(make_contract("repeated"), make_record(BrokenModel(), tags=tags | {"partition": "2024-01-02"}))
    killed_training(registry, "repeated", "create_logged_model", tags)
    again = tags | {"dagster_run_id": "run-2"}  # as Dagster executes a failed run once more
    version = registry.log_training(make_contract("repeated"), make_record(MODEL, tags=again))
    assert statuses(registry, "repeated") == ["FAILED", "FINISHED"]  # of the other partition, and this one
    assert version.tags["partition"] == "2024-01-01"
    assert runs(registry, "repeated")[1].data.tags["asset"] == "models/repeated"


def test_a_run_of_a_living_or_unknown_process_is_left_alone(registry):
    client, name = registry._client, "living"
    experiment = registry._experiment_id(name)
    elsewhere = json.dumps({"host": "another-machine", "pid": 1, "started": ""})
    dead = replace(Process.current(), started="another").text
    own = {"fti.kind": "training"}
    for tags in ({**own, "process": Process.current().text}, {**own, "process": elsewhere}, own, {"process": dead}):
        client.create_run(experiment, tags=tags)
    registry.log_training(make_contract(name), make_record(MODEL))
    assert sorted(statuses(registry, name)) == ["FINISHED", "RUNNING", "RUNNING", "RUNNING", "RUNNING"]


@pytest.mark.parametrize(
    ("changes", "dead"),
    [
        pytest.param({}, False, id="this_one"),
        pytest.param({"started": "another"}, True, id="same_number_later"),
        pytest.param({"pid": 2**22 + 1}, True, id="no_such_process"),
        pytest.param({"host": "another-machine", "pid": 2**22 + 1}, False, id="another_machine"),
        pytest.param({"namespace": "pid:[1]", "pid": 2**22 + 1}, False, id="another_container_of_the_same_name"),
    ],
)
def test_which_process_is_dead(changes, dead):
    current = Process.current()
    assert current.pid == os.getpid()
    process = replace(current, **changes)
    assert process.is_dead is dead
    assert process.is_alive is (not changes)
    assert Process.read(process.text) == process


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "nothing"])
def test_what_says_nothing_of_a_process_is_none(text):
    assert Process.read(text) is None
