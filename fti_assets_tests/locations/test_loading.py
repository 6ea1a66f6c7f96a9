from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCATIONS = ("data_collection", "features", "training", "inference", "online_inference")
HEAVY = ("great_expectations", "mlflow", "xgboost", "torch", "sklearn", "matplotlib")


def python(code, *arguments, tmp_path, options=()):
    """Runs code in a fresh process with stores of its own, and returns what it prints."""
    environment = {**os.environ, "FTI_DATA_DIR": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    command = [sys.executable, *options, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


LOADED = f"""
import sys, time
start = time.process_time()
import importlib
module = importlib.import_module("fti_assets.locations." + sys.argv[1])
seconds = time.process_time() - start
import dagster
dagster.Definitions.validate_loadable(module.defs)
print(seconds, *(name for name in {HEAVY} if name in sys.modules))
"""


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_location_loads_within_four_seconds_without_heavy_imports_and_makes_no_files(location, tmp_path):
    started = time.monotonic()

    seconds, *heavy = python(LOADED, location, tmp_path=tmp_path).split()

    assert heavy == []
    assert list(tmp_path.iterdir()) == []
    # The time of this process, which other work on the machine does not lengthen.
    assert float(seconds) < 4, f"{seconds} s of CPU, {time.monotonic() - started:.1f} s in all"


BLOCKED = """
import sys
for name in ("torch", "mlflow", "xgboost", "sklearn", "matplotlib"):
    sys.modules[name] = None
import fti_assets.locations.data_collection, fti_assets.locations.features
from fti_assets.locations import data_collection, features
print(len(list(data_collection.defs.assets)), len(list(features.defs.assets)))
"""


def test_collection_and_features_load_where_training_is_not_installed(tmp_path):
    collection, features = map(int, python(BLOCKED, tmp_path=tmp_path).split())

    assert collection > 5
    assert features > 5


def test_dagster_validates_the_workspace(tmp_path):
    """As `dg dev -w workspace.yaml` loads it: each location by a server of its own."""
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, "FTI_DATA_DIR": str(tmp_path), "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    for location in LOCATIONS:
        assert f"Validation successful for code location {location}" in said
