"""The asset of a model, trained in this process and in others: the same result, and the cause of every death."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from fti_assets.compute import Choice, GpuProfile
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.pipelines import (
    ComputeResource,
    LakeResource,
    RegistryResource,
    hyperparameter_search,
    model_backtest,
    training_pipeline,
)
from fti_assets.pipelines.child_process import card_for, run_in_child
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingSpec, training_program
from fti_assets.training.worker import work
from fti_assets_tests.compute.test_process import gone
from fti_assets_tests.conftest import reasons
from fti_assets_tests.training import programs, searched

PROFILES = """
profiles:
  local: {kind: local, threads: 1}
  process: {kind: process, threads: 1}
  impatient: {kind: process, timeout_seconds: 1, grace_seconds: 1}
  elsewhere: {kind: process, python: /absent/python}
  with_cuda: {kind: process, device: "cuda:99"}
  here_with_cuda: {kind: local, device: "cuda:99"}
  here_with_cuda_or_not: {kind: local, device: "cuda:99", fallback_to_cpu: true}
  pods: {kind: kubernetes, image: fti-training}
"""


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def root(tmp_path_factory, put_registry):
    """Stores with one training dataset."""
    made = tmp_path_factory.mktemp("stores")
    put_registry(made)
    programs.cut_flights(FeatureStore(made))
    (made / "compute.yaml").write_text(PROFILES)
    return made


@pytest.fixture(scope="module")
def resources(root):
    return {
        "lake": LakeResource(root=str(root)),
        "registry": RegistryResource(tracking_uri=f"sqlite:///{root}/mlflow/mlflow.db"),
        "compute": ComputeResource(file=str(root / "compute.yaml")),
    }


@pytest.fixture(scope="module")
def instance(make_instance):
    return make_instance()


@pytest.fixture
def train(resources, instance, monkeypatch):
    """Materialises the model of a program, with a profile if one is named; failures are in the result."""
    monkeypatch.delenv("FTI_COMPUTE", raising=False)

    def call(program, profile=None):
        ops = {"models__flights": {"config": {"compute": profile}}} if profile else {}
        return dg.materialize(
            training_pipeline(program).assets(),
            instance=instance,
            resources=resources,
            run_config={"ops": ops, **QUIET},
            raise_on_error=False,
        )

    return call


def metadata(result):
    (event,) = result.get_asset_materialization_events()
    return event.materialization.metadata


def logged(instance, result):
    return [record.user_message for record in instance.all_logs(result.run_id)]


def test_a_child_process_gives_what_this_process_gives(train, instance, root):
    """The training in the child is killed at first, and goes on from its checkpoint when it is repeated.

    What the program reports to Dagster by itself before it is killed is not taken for what the worker says.
    """
    kept = root / "checkpoints" / f"{programs.__name__}.needs_two_attempts"
    killed = reasons(train(programs.needs_two_attempts, "process"))[0]
    assert "'flights' with profile 'process', chosen by the configuration of the run died. It was killed by SIGKILL" in killed
    assert [path.name for path in kept.glob("*/*")] == ["state"]

    here, there = train(programs.tiny), train(programs.needs_two_attempts, "process")

    assert reasons(here) + reasons(there) == []
    assert "going on from half of it" in logged(instance, there)
    assert list(kept.iterdir()) == []
    local, child = metadata(here), metadata(there)
    assert sorted(child) == sorted(local)
    assert (local["compute"].value, child["compute"].value) == ("local", "process")
    pictures = {name for name, value in local.items() if "data:image/png" in str(value.value)}
    assert {"roc", "calibration"} <= pictures
    different = {name for name in local if local[name] != child[name]}
    assert different - pictures <= {"compute", "version", "mlflow_run", "card"}
    assert child["roc"].value.startswith("![roc](data:image/png;base64,")
    registry = ModelRegistry(f"sqlite:///{root}/mlflow/mlflow.db")
    first, second = registry.get("flights", local["version"].value), registry.get("flights", child["version"].value)
    assert first.metrics == second.metrics
    assert second.tags["dagster_run_id"] == there.run_id
    assert second.tags["compute"] == "process"


class Silent:
    """Whom a worker tells how it goes."""

    def progress(self, text):
        pass

    warn = progress


@pytest.fixture
def worker_here(root, monkeypatch):
    """The worker of a child process works in this one, where all that it needs is loaded; it is told, and tells, in JSON."""
    for name in ("FTI_LAKE_CATALOG", "FTI_LAKE_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_DATA_DIR", str(root))

    def run(task, profile):
        spec = TrainingSpec.of_text(task.spec(device=profile.device).text)
        return task.answer(json.loads(json.dumps(work(spec, Silent()))), "")

    monkeypatch.setattr("fti_assets.pipelines.compute.run_in_child", run)


@pytest.fixture
def look(resources, instance, monkeypatch):
    """Materialises the one asset of a pipeline, with a profile."""
    monkeypatch.delenv("FTI_COMPUTE", raising=False)

    def call(pipeline, profile, partition=None, **config):
        (asset,) = pipeline.assets()
        configured = {"ops": {asset.op.name: {"config": {**config, "compute": profile}}}, **QUIET}
        given = {"instance": instance, "resources": resources, "run_config": configured, "raise_on_error": False}
        result = dg.materialize([asset], partition_key=partition, **given)
        assert reasons(result) == []
        return metadata(result)

    return call


@pytest.mark.usefixtures("worker_here")
def test_a_search_runs_in_the_place_that_is_chosen(look):
    """By a worker first: the search without one finds its trials, and trains their best once more."""
    pipeline = hyperparameter_search(searched.flights, job="search")

    child, local = (look(pipeline, profile, trials=2, seed=5) for profile in ("process", "local"))

    assert (child["compute"].value, local["compute"].value, child["trials"].value) == ("process", "local", 2)
    assert sorted(child) == sorted(local)
    assert {name for name in local if local[name] != child[name]} == {"compute", "version"}


@pytest.mark.usefixtures("worker_here")
def test_a_backtest_runs_in_the_place_that_is_chosen(look, root):
    pipeline = model_backtest(programs.tiny, cutoffs=["2024-01-03"], job="backtest")

    child = look(pipeline, "process", "2024-01-03")

    assert child["compute"].value == "process"
    assert child["auc"].value > 0.6
    assert "2024-01-03" in child["table"].value
    assert FeatureStore(root).dataset("flights_backtest", child["dataset_id"].value)


def test_a_search_and_a_backtest_of_a_model_that_needs_a_gpu_do_not_begin_without_one(resources, instance, monkeypatch):
    monkeypatch.delenv("FTI_COMPUTE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    model = replace(programs.MODEL, needs_gpu=True)
    search = hyperparameter_search(replace(searched.flights, model=model), job="search").assets()
    backtest = model_backtest(replace(programs.tiny, model=model), cutoffs=["2024-01-03"], job="backtest").assets()
    given = {"instance": instance, "resources": resources, "run_config": QUIET, "raise_on_error": False}

    for (asset,), partition in ((search, None), (backtest, "2024-01-03")):
        (reason,) = reasons(dg.materialize([asset], partition_key=partition, **given))

        assert reason.startswith("Device 'cuda' is asked for, but this machine shows no NVIDIA GPU.")
        assert (asset.op.pool, asset.op.tags["fti/gpu"]) == ("gpu", "true")


def test_what_a_worker_says_is_in_the_log_of_the_run(train, instance):
    result = train(programs.refuses, "process")

    said = logged(instance, result)
    assert any("with profile 'process', chosen by the configuration of the run" in line for line in said)
    assert reasons(result) == ["These flights cannot be trained on. Take others."]


def test_the_environment_chooses_for_runs_that_do_not(train, monkeypatch):
    monkeypatch.setenv("FTI_COMPUTE", "elsewhere")

    assert reasons(train(programs.tiny)) == ["'/absent/python' cannot be started: No such file or directory."]
    assert reasons(train(programs.refuses, "local")) == ["These flights cannot be trained on. Take others."]


def test_a_profile_that_does_not_exist_fails_with_those_that_do(train):
    (reason,) = reasons(train(programs.tiny, "locl"))

    assert reason.startswith("Compute profile 'locl' is not there. Did you mean 'local'? It has: elsewhere, gpu,")


@pytest.mark.parametrize("profile", ["with_cuda", "here_with_cuda"])
def test_an_absent_gpu_fails_before_any_data_is_read(train, profile):
    (reason,) = reasons(train(programs.is_killed, profile))

    assert reason.startswith("Device 'cuda:99' is asked for")


def test_a_model_that_needs_a_gpu_fails_where_there_is_none(train, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    needy = training_program(replace(programs.MODEL, needs_gpu=True))(programs.is_killed.function)

    (reason,) = reasons(train(needy))

    assert reason.startswith("Device 'cuda' is asked for, but this machine shows no NVIDIA GPU.")


def test_the_cpu_does_with_a_warning_where_the_profile_allows_it(train, instance):
    result = train(programs.refuses, "here_with_cuda_or_not")

    assert reasons(result) == ["These flights cannot be trained on. Take others."]
    assert any("Falling back to the CPU, as the profile allows." in line for line in logged(instance, result))


@pytest.mark.parametrize(
    ("program", "profile", "said"),
    [
        pytest.param(programs.takes_for_ever, "impatient", "since its time limit is 1 s; it had up to", id="too_slow"),
        pytest.param(
            programs.crashes,
            "process",
            "Its last line was: ModuleNotFoundError: No module named 'module_that_is_not_installed'",
            id="missing_module",
        ),
    ],
)
def test_a_death_fails_the_run_with_its_cause(train, program, profile, said):
    (reason,) = reasons(train(program, profile))

    assert reason.startswith(f"The training of 'flights' with profile '{profile}', chosen by the configuration of the run died. It")
    assert said in reason


def test_a_program_that_a_worker_cannot_import_is_named(train, monkeypatch):
    module = ModuleType("only_in_this_process")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def secret(data, run): ...

    secret.__module__, secret.__qualname__ = module.__name__, "secret"

    (reason,) = reasons(train(training_program(programs.MODEL)(secret), "process"))

    assert reason.startswith("Module 'only_in_this_process' is not there.")


INTERRUPTED = """
import os, sys
import dagster as dg
from fti_assets.pipelines import ComputeResource, LakeResource, RegistryResource, training_pipeline
from fti_assets_tests.training import programs
root = sys.argv[1]
resources = {
    "lake": LakeResource(root=root),
    "registry": RegistryResource(tracking_uri=f"sqlite:///{root}/mlflow/mlflow.db"),
    "compute": ComputeResource(),
}

def run():
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"models__flights": {"config": {"compute": "process"}}}}
        assets = training_pipeline(programs.takes_for_ever).assets()
        dg.materialize(assets, instance=instance, resources=resources, run_config=config)

for _ in range(2):  # to import all that takes longer than to run it
    if os.fork() == 0:
        run()
        os._exit(0)
for _ in range(2):
    pid, status = os.wait()
    print(pid, os.waitstatus_to_exitcode(status), flush=True)
"""


def parent(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_run_that_is_ended_leaves_no_worker_behind(root):
    """Two runs, each in a process of its own: one is terminated, one is killed."""
    command = [sys.executable, "-c", INTERRUPTED, str(root)]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as both:
        told = (int(line.rpartition(" ")[2]) for line in both.stderr if " - process " in line)
        workers = [next(told), next(told)]
        runs = [parent(worker) for worker in workers]
        assert len({both.pid, *runs}) == 3
        for run, worker, number in zip(runs, workers, (signal.SIGTERM, signal.SIGKILL), strict=True):
            os.kill(run, number)
            assert gone(worker, within=20)
        both.stderr.read()
        ended = dict(map(int, line.split()) for line in both.stdout)

    assert sorted(ended) == sorted(runs)
    assert 0 not in ended.values()


TELLS = """#!/bin/sh
echo "cards $CUDA_VISIBLE_DEVICES, told $(cat)" >&2
exit 1
"""


@pytest.fixture
def told(resources, instance, tmp_path):
    """What a child with the profile `gpu` is told, on a machine that has so many cards; it trains nothing."""
    interpreter = tmp_path / "python"
    interpreter.write_text(TELLS)
    interpreter.chmod(0o755)

    def call(there, **options):
        profile = GpuProfile(python=str(interpreter), locks=tmp_path, wait_seconds=0, **options)

        @dg.asset
        def probe(context: dg.AssetExecutionContext) -> None:
            choice = Choice("gpu", profile, "a test")
            stores = {"lake": resources["lake"], "registry": resources["registry"]}
            task = TrainingTask(program=programs.tiny, context=context, dataset_id=None, choice=choice, **stores)
            with told_plainly():
                run_in_child(task, profile, count=lambda: there)

        (reason,) = reasons(dg.materialize([probe], instance=instance, run_config=QUIET, raise_on_error=False))
        return reason

    return call


def test_a_child_sees_one_card_and_no_other_training_gets_it(told, tmp_path, monkeypatch):
    """The lock is real, the cards are not: nothing that runs these tests has one."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    said = told(2)
    assert 'Its last line was: cards 0, told {"program":' in said
    assert '"device":"cuda"' in said
    assert "cards 1, told" in told(2, cards=("1",))
    assert "Card '7' is not in what this process sees." in told(2, cards=("7",))
    with card_for("another", GpuProfile(locks=tmp_path), visible=("0", "1")) as card:
        assert card == "0"
        assert "cards 1, told" in told(2)
        assert f"No GPU came free within 0 seconds. card 0: process {os.getpid()}, training of 'another'." in told(1)


def test_without_a_card_a_child_is_not_started_or_trains_on_the_cpu(told):
    assert told(0).startswith("Device 'cuda' is asked for, but this machine shows no NVIDIA GPU.")

    said = told(0, fallback_to_cpu=True)
    assert "cards , told" in said
    assert "cuda" not in said
