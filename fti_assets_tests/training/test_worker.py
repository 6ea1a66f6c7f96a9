"""The training worker as a program, by hand; what it tells Dagster is tested with the asset, in pipelines/test_compute.py."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.training import SpecError, TrainingSpec
from fti_assets.training.worker import Pace, main
from fti_assets_tests.training.programs import cut_flights

WORKER = (sys.executable, "-m", "fti_assets.training.worker")
PROGRAMS = "fti_assets_tests.training.programs"

WITHOUT_DAGSTER = """
import runpy, sys
for name in ("dagster", "dagster_duckdb", "fti_assets.pipelines", "great_expectations"):
    sys.modules[name] = None
sys.argv = ["worker", *sys.argv[1:]]
runpy.run_module("fti_assets.training.worker", run_name="__main__")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory, put_registry):
    """Stores with one training dataset."""
    made = tmp_path_factory.mktemp("stores")
    put_registry(made)
    cut_flights(FeatureStore(made))
    return made


def environment(root):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FTI", "MLFLOW", "DAGSTER"))}
    return {**own, "FTI_DATA_DIR": str(root)}


def run(root, *command, spec=""):
    return subprocess.run(command, env=environment(root), input=spec, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def called(root, monkeypatch, capsys):
    """Calls the worker in this process; returns its exit code and what it wrote."""
    handler = signal.getsignal(signal.SIGTERM)
    for name in ("FTI_LAKE_CATALOG", "FTI_LAKE_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_DATA_DIR", str(root))

    def call(*arguments, spec=None):
        monkeypatch.setattr("sys.stdin", StringIO(json.dumps(spec)))
        code = main(list(arguments))
        written = capsys.readouterr()
        return code, written.out, written.err

    yield call
    signal.signal(signal.SIGTERM, handler)


def test_it_trains_and_registers_where_dagster_is_not_installed(root, tmp_path):
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({"program": f"{PROGRAMS}:tiny", "threads": 1, "seed": 7, "tags": {"asked_by": "a person"}}))

    done = run(root, sys.executable, "-c", WITHOUT_DAGSTER, str(file))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"model": "flights", "version": 1}
    version = ModelRegistry(f"sqlite:///{root}/mlflow/mlflow.db").get("flights", "challenger")
    assert version.version == 1
    assert version.tags["asked_by"] == "a person"
    assert version.tags["program"] == f"{PROGRAMS}:tiny"
    assert version.metrics["auc_test"] > 0.6
    assert "step 0: logloss 0." in done.stderr
    assert "registering the challenger" in done.stderr


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param({"program": f"{PROGRAMS}:tyni"}, "Training program 'tyni' is not in module", id="unknown_program"),
        pytest.param({"program": "absent_system.models:churn"}, "Module 'absent_system.models' is not there", id="unknown_module"),
        pytest.param({"program": f"{PROGRAMS}:tiny", "dataset_id": "nope"}, "nope", id="unknown_dataset"),
        pytest.param({"program": f"{PROGRAMS}:refuses"}, "These flights cannot be trained on. Take others.", id="own_error"),
        pytest.param({"program": "nothing"}, "no specification of a training. At program:", id="no_reference"),
        pytest.param({"program": f"{PROGRAMS}:tiny", "cards": 2}, "At cards: Extra inputs", id="unknown_field"),
        pytest.param(
            {"program": f"{PROGRAMS}:tiny", "search": {"trails": 2}}, "At search.trails: Unexpected", id="unknown_setting"
        ),
        pytest.param({"program": f"{PROGRAMS}:tiny", "search": {"trials": 2}}, "has no space to search", id="no_space"),
        pytest.param(
            {"program": f"{PROGRAMS}:tiny", "search": {}, "cutoff": "2024-01-03"}, "ask for two things", id="search_and_backtest"
        ),
    ],
)
def test_an_error_that_a_person_can_act_upon_is_told_without_a_stack(called, spec, said):
    code, out, error = called("-", spec=spec)

    assert code == 1
    assert said in error
    assert "Traceback" not in error
    assert out == ""


def test_an_absent_gpu_is_an_error_before_anything_is_read(called, tmp_path, monkeypatch):
    monkeypatch.setenv("FTI_DATA_DIR", str(tmp_path))

    code, _, error = called("-", spec={"program": f"{PROGRAMS}:tiny", "device": "cuda:99"})

    assert code == 1
    assert "Device 'cuda:99' is asked for" in error
    assert list(tmp_path.iterdir()) == []


def test_a_backtest_is_told_with_its_figures(called, root):
    code, out, error = called("-", spec={"program": f"{PROGRAMS}:tiny", "threads": 1, "cutoff": "2024-01-03"})

    assert code == 0, error
    said = json.loads(out)
    assert said["model"] == "flights"
    assert said["metrics"]["auc"] > 0.6
    assert FeatureStore(root).dataset("flights_backtest", said["dataset_id"])


def test_the_cpu_does_where_that_is_allowed(called):
    _, _, error = called("-", spec={"program": f"{PROGRAMS}:refuses", "device": "cuda:99", "fallback_to_cpu": True})

    assert "Falling back to the CPU, as the profile allows. Device 'cuda:99' is asked for" in error
    assert "These flights cannot be trained on." in error


def test_a_specification_comes_in_a_variable_as_well(called, monkeypatch, tmp_path):
    monkeypatch.setenv("SPEC", TrainingSpec(program=f"{PROGRAMS}:refuses").encoded)

    assert "These flights cannot be trained on." in called("env:SPEC")[2]
    assert "The variable 'OTHER'" in called("env:OTHER")[2]
    assert f"'{tmp_path}/absent.json' cannot be read" in called(f"{tmp_path}/absent.json")[2]


def test_a_specification_survives_the_way():
    spec = TrainingSpec(program="a.b:c", dataset_id="1", tags={"note": "costs $(HOME)"}, threads=2)

    assert TrainingSpec.of_text(spec.text) == spec
    assert TrainingSpec.of_encoded(spec.encoded) == spec
    assert "$" not in spec.encoded


@pytest.mark.parametrize("text", ["!", base64.b64encode(b"[]").decode()])
def test_what_is_no_specification_is_refused(text):
    with pytest.raises(SpecError, match="This is no specification of a training"):
        TrainingSpec.of_encoded(text)


def test_a_worker_that_is_told_to_stop_says_so(root):
    command = [*WORKER, "-"]
    with subprocess.Popen(
        command, env=environment(root), stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        worker.stdin.write(json.dumps({"program": f"{PROGRAMS}:takes_for_ever"}))
        worker.stdin.close()
        assert worker.stderr.readline() == f"process {worker.pid}\n"
        started = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.stderr.read() == "It was told to stop.\n"

    assert worker.returncode == 1
    assert time.monotonic() - started < 10


def test_figures_that_come_fast_are_told_once_a_second_and_then_less_often():
    now, told = [0.0], []
    pace = Pace(told.append, clock=lambda: now[0])

    for step in range(1000):
        now[0] = step * 0.25
        pace.report(step, {"logloss": 0.5, "auc": 0.7})

    assert told[:3] == [f"step {step}: logloss 0.5000, auc 0.7000" for step in (0, 4, 8)]
    assert 150 < len(told) < 200
    first, second = (int(line.split()[1].rstrip(":")) for line in told[-2:])
    assert 2.0 <= (second - first) * 0.25 <= 3.0


def test_without_arguments_it_says_how_it_is_used(called):
    code, _, error = called()

    assert code == 2
    assert error.startswith("Usage: python -m fti_assets.training.worker SPEC")
