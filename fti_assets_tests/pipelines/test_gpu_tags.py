"""Runs that need a GPU carry the tag by which the queue limits them, however they begin."""

from dataclasses import replace
from datetime import UTC, datetime
from sys import modules
from types import ModuleType

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from fti_assets.pipelines import (
    ComputeResource,
    LakeResource,
    RegistryResource,
    Schedule,
    code_location,
    training_dataset,
    training_pipeline,
)
from fti_assets.pipelines.schedules import landing_sensor
from fti_assets.pipelines.specs import GPU_TAGS
from fti_assets.training import TrainingProgram
from fti_assets_tests.conftest import WORKSPACE
from fti_assets_tests.training import programs

MODEL = dg.AssetKey(["models", "flights"])
PROGRAM = replace(programs.tiny, model=replace(programs.MODEL, needs_gpu=True))


class AutomatedTraining:
    """A training whose asset asks for a run by itself whenever its dataset is new."""

    def __init__(self, program: TrainingProgram) -> None:
        self.pipeline = training_pipeline(program)
        self.upstream = self.pipeline.upstream

    def assets(self):
        eager = dg.AutomationCondition.eager()
        assets = self.pipeline.assets()
        return [asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=eager)) for asset in assets]


@pytest.fixture
def location(monkeypatch):
    """Makes a code location of a module with the given pipelines."""

    def make(**pipelines):
        module = ModuleType("a_system_with_a_gpu")
        vars(module).update(pipelines)
        monkeypatch.setitem(modules, module.__name__, module)
        return code_location(module.__name__, name="deep", schedule=Schedule(cron="0 0 * * 0"))

    return make


def tags_of_a_scheduled_run(defs, instance):
    """The tags that the daemon gives to the run of a tick: those of the job, then those of the request."""
    schedule = defs.resolve_schedule_def("deep_schedule")
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2026, 1, 4, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(context).run_requests
    return {**defs.resolve_job_def(schedule.job_name).run_tags, **request.tags}


@pytest.mark.parametrize(
    ("program", "expected"), [pytest.param(PROGRAM, GPU_TAGS, id="gpu"), pytest.param(programs.tiny, {}, id="none")]
)
def test_a_schedule_tags_its_runs(location, program, expected):
    defs = location(dataset=training_dataset(programs.DATASET), train=training_pipeline(program))

    with dg.DagsterInstance.ephemeral() as instance:
        tags = tags_of_a_scheduled_run(defs, instance)

    assert {key: value for key, value in tags.items() if key.startswith("fti/")} == expected


def test_a_sensor_tags_its_runs(location):
    defs = location(dataset=training_dataset(programs.DATASET), train=training_pipeline(PROGRAM))
    (job,) = defs.jobs

    sensor = landing_sensor(job, programs.DATASET.calendar)

    assert [target.job_name for target in sensor.targets] == ["deep"]
    assert defs.resolve_job_def("deep").run_tags["fti/gpu"] == "true"


def test_automation_tags_its_runs(location):
    defs = location(dataset=training_dataset(programs.DATASET), train=AutomatedTraining(PROGRAM))
    (sensor,) = defs.sensors

    assert sensor.name == "deep_automation"
    assert sensor.run_tags == GPU_TAGS


def test_the_step_is_in_the_pool_and_the_queue_limits_the_tag(location):
    defs = location(dataset=training_dataset(programs.DATASET), train=training_pipeline(PROGRAM))
    (train,) = [asset for asset in defs.assets if MODEL in getattr(asset, "keys", ())]
    limits = yaml.safe_load(WORKSPACE.with_name("dagster.yaml").read_text())["concurrency"]

    assert (train.op.pool, train.op.tags["fti/gpu"]) == ("gpu", "true")
    assert limits["pools"]["default_limit"] == 1
    assert {"key": "fti/gpu", "value": "true", "limit": 1} in limits["runs"]["tag_concurrency_limits"]


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """Materialises a model that needs no GPU, on a machine without one; returns the run and what its step logged."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("FTI_COMPUTE", raising=False)
    (tmp_path / "compute.yaml").write_text(
        "profiles: {pod: {kind: kubernetes, image: i, gpus: 1}, child: {kind: process, python: /no}}"
    )
    stores = {
        "lake": LakeResource(root=str(tmp_path)),
        "registry": RegistryResource(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"),
    }
    resources = {**stores, "compute": ComputeResource(file=str(tmp_path / "compute.yaml"))}

    def call(compute, **tags):
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                training_pipeline(programs.tiny).assets(),
                instance=instance,
                resources=resources,
                tags=tags,
                run_config={"ops": {"models__flights": {"config": {"compute": compute}}}},
                raise_on_error=False,
            )
            logged = [record.user_message for record in instance.all_logs(result.run_id)]
            return instance.get_run_by_id(result.run_id), logged

    return call


@pytest.mark.parametrize("profile", ["gpu", "pod"])
def test_a_run_that_turns_out_to_use_a_gpu_is_tagged_and_says_how_to_queue_it(launched, profile):
    run, logged = launched(profile)

    assert run.tags["fti/gpu"] == "true"
    (said,) = [line for line in logged if "Launch a run with the tag to queue it." in line]
    assert said.startswith(f"This run uses a GPU, by profile '{profile}', chosen by the configuration of the run, and was launched")


@pytest.mark.parametrize(
    ("profile", "tags"), [pytest.param("gpu", GPU_TAGS, id="tagged_when_launched"), pytest.param("child", {}, id="without_a_gpu")]
)
def test_a_run_that_is_queued_rightly_is_left_alone(launched, profile, tags):
    run, logged = launched(profile, **tags)

    assert {key: value for key, value in run.tags.items() if key == "fti/gpu"} == tags
    assert not [line for line in logged if "tag" in line]


def test_the_queue_counts_tags_that_a_run_got_after_it_was_launched():
    """What Dagster does, without code of ours."""
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "repository"), "job")
    limits = yaml.safe_load(WORKSPACE.with_name("dagster.yaml").read_text())["concurrency"]
    queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
    with dg.DagsterInstance.local_temp(overrides={"concurrency": limits, "telemetry": {"enabled": False}}) as instance:
        under_way = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
        waits = create_run_for_test(instance, status=dg.DagsterRunStatus.QUEUED, tags=GPU_TAGS, remote_job_origin=origin)

        def next_runs():
            runs = queue._get_runs_to_dequeue(instance, instance.get_concurrency_config(), fixed_iteration_time=None)
            return [run.run_id for run in runs]

        assert next_runs() == [waits.run_id]
        instance.add_run_tags(under_way.run_id, GPU_TAGS)
        assert next_runs() == []
