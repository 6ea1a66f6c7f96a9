"""Every command where nothing was made yet: it says so, and what to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets_tests.cli.conftest import environment

Fti = Callable[..., Result]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(["features", "list"], "No feature group is published in data/lake.", id="features"),
        pytest.param(["datasets", "list"], "No training dataset is stored in data/training_datasets.", id="datasets"),
        pytest.param(["models", "list"], "No model is registered at sqlite:///", id="models"),
        pytest.param(["status"], "No day has landed.", id="status_landing"),
        pytest.param(["status"], "No table is published.", id="status_lake"),
        pytest.param(["status"], "No model is registered.", id="status_models"),
        pytest.param(["status"], "Nothing has run yet.", id="status_runs"),
    ],
)
def test_a_list_of_nothing_says_what_makes_something(fti: Fti, empty: Path, command: list[str], said: str) -> None:
    result = fti(empty, *command)
    assert result.exit_code == 0
    assert said in result.stdout
    assert "`fti " in result.stdout


@pytest.mark.parametrize("what", ["features", "datasets", "models"])
def test_a_list_of_nothing_is_an_empty_list_to_programs(fti: Fti, empty: Path, what: str) -> None:
    assert fti(empty, what, "list", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("features", "Feature group 'x' is not in data/lake. It has none. `fti run SYSTEM --only features`"),
        ("datasets", "Training dataset 'x' is not in data/training_datasets. It has none. `fti run SYSTEM --only training`"),
        ("models", "There is no model registry at sqlite:///"),
        ("predictions", "Predictions 'x' is not in data/lake. It has none. `fti run SYSTEM --only inference`"),
    ],
)
def test_nothing_of_that_name(fti: Fti, empty: Path, what: str, said: str) -> None:
    result = fti(empty, what, "show", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["features", "list"], ["datasets", "list"], ["models", "list"], ["models", "show", "x"]])
def test_looking_creates_nothing(fti: Fti, empty: Path, command: list[str]) -> None:
    fti(empty, *command)
    assert not (empty / "data").exists()


def test_status_without_a_dagster_instance_shows_the_rest(fti: Fti, tmp_path: Path) -> None:
    result = fti(tmp_path, "status")
    assert result.exit_code == 0
    assert "There is no dagster.yaml in" in result.stdout


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        pytest.param("dagster.yaml", "There is no dagster.yaml in", id="no_instance"),
        pytest.param("workspace.yaml", "There is no workspace file 'workspace.yaml'", id="no_workspace"),
    ],
)
def test_running_where_a_file_is_missing(fti: Fti, empty: Path, missing: str, said: str) -> None:
    (empty / missing).unlink()
    result = fti(empty, "run", "flights")
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["run", "flights", "--only", "everything"], id="unknown_stage"),
        pytest.param(["run"], id="no_system"),
        pytest.param(["features", "show"], id="no_name"),
        pytest.param(["predictions", "show", "x", "--rows", "0"], id="no_rows"),
        pytest.param(["lnad"], id="unknown_command"),
    ],
)
def test_wrong_usage(fti: Fti, empty: Path, command: list[str]) -> None:
    assert fti(empty, *command).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["land"],
        ["run"],
        ["status"],
        ["features", "list"],
        ["features", "show"],
        ["datasets", "list"],
        ["datasets", "show"],
        ["models", "list"],
        ["models", "show"],
        ["predictions", "show"],
    ],
    ids=" ".join,
)
def test_help_teaches_by_examples(fti: Fti, empty: Path, command: list[str]) -> None:
    result = fti(empty, *command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout or "A first tour" in result.stdout
    assert f"fti {' '.join(command)}".strip() in result.stdout


def test_alone_it_prints_help(fti: Fti, empty: Path) -> None:
    assert "A first tour" in fti(empty).output


def test_version(fti: Fti, empty: Path) -> None:
    assert fti(empty, "--version").stdout.startswith("fti 0.")


def test_help_is_quick_since_nothing_heavy_is_imported() -> None:
    code = "import sys; from fti_assets.cli.app import app; print(sorted({m.split('.')[0] for m in sys.modules}))"
    started = time.monotonic()
    loaded = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True).stdout
    assert time.monotonic() - started < 5  # on any machine; 0.3 s on a quiet one
    assert not [name for name in ("dagster", "duckdb", "mlflow", "pandas", "pyarrow", "numpy", "xgboost") if f"'{name}'" in loaded]
