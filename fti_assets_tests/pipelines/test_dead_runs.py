import signal
import subprocess
import sys

import dagster as dg
import pytest

from fti_assets.pipelines.dead_runs import alive, bury_dead_runs

LIVES = """
import sys, time
from fti_assets.pipelines.dead_runs import alive
with alive(sys.argv[1]):
    print("alive", flush=True)
    time.sleep(60)
"""


@dg.job
def nothing() -> None: ...


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("FTI_DATA_DIR", str(tmp_path / "data"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def started(instance):
    return instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED).run_id


def test_a_run_whose_process_was_killed_is_marked_as_failed(instance, started):
    process = subprocess.Popen([sys.executable, "-c", LIVES, started], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "alive\n"
        assert bury_dead_runs(instance) == []
        assert instance.get_run_by_id(started).status == dg.DagsterRunStatus.STARTED
        process.send_signal(signal.SIGKILL)
    assert bury_dead_runs(instance) == [started]
    assert instance.get_run_by_id(started).status == dg.DagsterRunStatus.FAILURE
    assert bury_dead_runs(instance) == []


def test_a_run_that_ended_leaves_nothing_to_bury(instance, started, tmp_path):
    with alive(started):
        pass
    assert bury_dead_runs(instance) == []
    assert list((tmp_path / "data" / "running").iterdir()) == []
