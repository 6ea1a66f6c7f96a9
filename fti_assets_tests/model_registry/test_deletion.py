"""What may be deleted, by hand and by age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.model_registry import ModelVersion, NeededVersionError
from fti_assets.model_registry.retention import (
    RegistryRetention,
    StoredRun,
    carry_out,
    plan_for,
    plan_retention,
    unregistered_runs,
)

from .examples import make_contract, make_model, make_record
from .test_registry import BrokenModel, model_file

MODEL = make_model()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
POLICY = RegistryRetention(keep_days=90, keep_run_days=30)


@pytest.fixture
def make_versions(registry):
    def make(name, count):
        for _ in range(count):
            registry.log_training(make_contract(name), make_record(MODEL))
        return name

    return make


def version(number, *, aliases=(), decision="rejected", days=100):
    return ModelVersion(
        name="delay",
        version=number,
        aliases=aliases,
        run_id=f"run-{number}",
        experiment_id="1",
        metrics={},
        tags={"decision": decision} if decision else {},
        created_at=NOW - timedelta(days=days),
    )


def run(run_id, status="FAILED", *, kind="training", days=40, alive=None, search=""):
    began = NOW - timedelta(days=days)
    return StoredRun(model="delay", run_id=run_id, status=status, kind=kind, began=began, alive=alive, search=search)


def test_a_version_is_deleted_with_its_run_and_files(registry, make_versions):
    name = make_versions("deleted", 2)
    gone = registry.get(name, 1)
    folder = model_file(registry, gone).parents[1]
    assert registry.delete(name, 1, predicted=()) == gone
    assert [one.version for one in registry.versions(name)] == [2]
    assert not folder.exists()
    assert registry._client.get_run(gone.run_id).info.lifecycle_stage == "deleted"
    with pytest.raises(NotFoundError, match=r"has no version 1\. It has: 2\."):
        registry.delete(name, 1, predicted=())


def test_after_the_challenger_the_newest_is_the_challenger(registry, make_versions):
    name = make_versions("deleted_challenger", 3)
    registry.delete(name, 2, predicted=())
    registry.delete(name, 3, predicted=())
    assert registry.get(name, "challenger").version == 1
    registry.delete(name, 1, predicted=())
    assert name not in registry.models()
    assert registry.log_training(make_contract(name), make_record(MODEL)).version == 4


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(2, r"version 2 is the champion\. Promote another version first", id="champion"),
        pytest.param(1, r"version 1 is the previous champion\. It is what a rollback goes back to", id="previous"),
        pytest.param(3, "Predictions refer to .* version 3", id="predicted"),
    ],
)
def test_what_is_needed_is_not_deleted(registry, make_versions, number, message):
    name = f"needed_{number}"
    make_versions(name, 3)
    registry.promote(name, 1, reason="first", figures={})
    registry.promote(name, 2, reason="second", figures={})
    with pytest.raises(NeededVersionError, match=message):
        registry.delete(name, number, predicted=lambda: {3})
    assert [one.version for one in registry.versions(name)] == [3, 2, 1]
    registry.load(name, number)


def test_where_it_is_not_known_what_is_predicted_nothing_is_deleted(registry, make_versions):
    def fail():
        raise FtiError("There is no lake.")

    name = make_versions("not_known", 2)
    with pytest.raises(FtiError, match="There is no lake"):
        registry.delete(name, 1, predicted=fail)
    assert registry.get(name, 1).version == 1


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        pytest.param({}, True, id="rejected_and_old"),
        pytest.param({"created_at": NOW - timedelta(days=90)}, False, id="just_not_old_enough"),
        pytest.param({"aliases": ("champion",)}, False, id="champion"),
        pytest.param({"aliases": ("previous",)}, False, id="previous"),
        pytest.param({"aliases": ("challenger",)}, False, id="challenger"),
        pytest.param({"version": 7}, False, id="predicted"),
        pytest.param({"name": "another"}, False, id="of_a_model_whose_predictions_are_not_known"),
        pytest.param({"tags": {"decision": "promoted"}}, False, id="promoted_once"),
        pytest.param({"tags": {}}, False, id="never_judged"),
    ],
)
def test_which_versions_go(changes, goes):
    plan = plan_retention([replace(version(1), **changes)], [], {"delay": {7}}, POLICY, NOW)
    assert bool(plan) is goes


@pytest.mark.parametrize(
    ("stored", "goes"),
    [
        pytest.param(run("a"), True, id="failed"),
        pytest.param(run("a", "KILLED"), True, id="killed"),
        pytest.param(run("a", "FINISHED"), True, id="finished_without_version"),
        pytest.param(run("a", "FINISHED", kind="trial"), True, id="trial"),
        pytest.param(run("a", "FINISHED", kind="backtest"), False, id="backtest"),
        pytest.param(run("a", "RUNNING", alive=True), False, id="running"),
        pytest.param(run("a", "RUNNING", alive=False), True, id="running_but_dead"),
        pytest.param(run("a", "RUNNING"), True, id="running_in_a_pod_that_must_be_gone"),
        pytest.param(run("a", days=30), False, id="just_not_old_enough"),
    ],
)
def test_which_runs_go(stored, goes):
    assert bool(plan_retention([], [stored], {}, POLICY, NOW)) is goes


@pytest.mark.parametrize(
    ("days", "alive", "goes"),
    [
        pytest.param(13, None, False, id="may_run_elsewhere"),
        pytest.param(15, None, True, id="too_long_to_run_elsewhere"),
        pytest.param(15, True, False, id="known_to_run"),
        pytest.param(1, False, True, id="known_to_have_ended"),
    ],
)
def test_a_run_that_nobody_ended_is_abandoned_after_two_weeks(days, alive, goes):
    plan = plan_retention([], [run("a", "RUNNING", days=days, alive=alive)], {}, RegistryRetention(keep_run_days=0), NOW)
    assert bool(plan) is goes


def test_the_search_that_a_kept_version_came_of_is_kept():
    came_of = replace(version(1, aliases=("champion",)), tags={"search": "s1"})
    going = replace(version(2), tags={"search": "s2", "decision": "rejected"})
    runs = [run(f"{kind}-{name}", "FINISHED", kind=kind, search=name) for name in ("s1", "s2") for kind in ("search", "trial")]
    plan = plan_retention([came_of, going], runs, {"delay": ()}, POLICY, NOW)
    assert [one.run_id for one in plan] == ["run-2", "search-s2", "trial-s2"]


def test_what_is_planned_is_deleted_and_what_is_needed_by_then_is_left(registry, make_versions):
    name = make_versions("retained", 4)
    registry.promote(name, 1, reason="first", figures={})
    for number in (2, 3):
        registry.reject(name, number, "worse")
    with pytest.raises(OSError, match="No space left"):
        registry.log_training(make_contract(name), make_record(BrokenModel()))
    all_of_it = RegistryRetention(keep_days=-1, keep_run_days=-1)
    plan = [one for one in plan_for(registry, lambda _: (), all_of_it) if one.model == name]
    assert sorted(map(str, plan))[:2] == ["retained version 2", "retained version 3"]
    assert [one.why for one in plan if one.what == "run"] == ["training without a version, failed, 0 days old"]
    registry.promote(name, 2, reason="on second thoughts", figures={})
    done = carry_out(registry, plan, lambda _: ())
    assert [str(one) for one in done if one.what == "version"] == ["retained version 3"]
    assert [one.version for one in registry.versions(name)] == [4, 2, 1]
    assert [one for one in unregistered_runs(registry) if one.model == name] == []
    assert plan_for(registry, lambda _: (), RegistryRetention()) == []


def test_what_belongs_to_others_in_the_same_store_is_left_alone(registry, make_versions):
    client, all_of_it = registry._client, RegistryRetention(keep_days=-1, keep_run_days=-1)
    experiment = client.create_experiment("it's of others")
    client.create_run(experiment, tags={"asset": "theirs"})
    client.set_terminated(client.create_run(experiment, tags={"asset": "theirs"}).info.run_id)
    client.create_registered_model("it's theirs")
    client.create_model_version("it's theirs", "file:///theirs", tags={"snapshot": "none"})
    name = make_versions("beside_others", 1)
    client.create_model_version(name, "file:///theirs", tags={"snapshot": "none"})
    assert [one for one in unregistered_runs(registry) if one.model == "it's of others"] == []
    assert not [one for one in plan_for(registry, lambda _: (), all_of_it) if one.model == "it's theirs"]
    assert "it's theirs" not in registry.models()
    assert [one.version for one in registry.versions(name)] == [1]
    client.set_registered_model_alias(name, "champion", "2")
    with pytest.raises(NotFoundError, match=r"beside_others version 2 was registered by other means.* point to one of: 1\."):
        registry.get(name, "champion")


def test_a_run_that_others_registered_is_kept(registry):
    client, name = registry._client, "registered_by_others"
    version = registry.log_training(make_contract(name), make_record(MODEL))
    path = model_file(registry, version)
    client.create_registered_model(f"{name}_theirs")
    registry.reject(name, 1, "worse")
    registry.log_training(make_contract(name), make_record(MODEL))
    planned = [StoredRun(model=name, run_id=version.run_id, status="FINISHED", kind="training", began=NOW)]
    plan = plan_retention([], planned, {}, POLICY, NOW + timedelta(days=100))
    client.create_model_version(f"{name}_theirs", path.parents[1].as_uri(), version.run_id)
    registry.delete(name, 1, predicted=())
    assert path.exists()
    assert carry_out(registry, plan, lambda _: ()) == []
    assert version.run_id not in {one.run_id for one in unregistered_runs(registry)}
    assert client.get_run(version.run_id).info.lifecycle_stage == "active"


def test_what_is_asked_of_the_lake_is_asked_before_the_lock(registry, make_versions):
    name, free = make_versions("deleted_slowly", 2), []

    def predicted():
        with registry._lock.hold(name, "another change"):
            free.append(True)
        return ()

    registry.delete(name, 1, predicted=predicted)
    assert free == [True]
