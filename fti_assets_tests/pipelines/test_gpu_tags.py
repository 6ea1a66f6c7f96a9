"""Runs that need a GPU carry the tag by which the queue limits them, however they begin."""

from dataclasses import replace
from datetime import UTC, datetime
from sys import modules
from types import ModuleType

import dagster as dg
import pytest
import yaml

from fti_assets.pipelines import Schedule, code_location, training_dataset, training_pipeline
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
