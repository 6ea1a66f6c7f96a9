"""`fti models`: a model from its first training to its deletion, without Dagster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets.vocabulary import Predictions
from fti_assets_tests.training.examples import make_rows
from fti_assets_tests.training.programs import DAYS, MODEL, PROMISE, cut_flights

Fti = Callable[..., Result]
TINY = "fti_assets_tests.training.programs:tiny"
PREDICTIONS = Predictions(name="flights", model=MODEL, contract=PROMISE)
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, put_registry: Callable[[Path], ModelRegistry]) -> Path:
    """A folder with one training dataset in the stores below it."""
    folder = tmp_path_factory.mktemp("models")
    put_registry(folder / "data")
    cut_flights(FeatureStore(folder / "data"))
    return folder


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch) -> Fti:
    """Runs `fti models` in this process on the stores of `place`, or on others."""
    from fti_assets.cli.app import app

    for name in ("FTI_LAKE_CATALOG", "FTI_LAKE_DATA", "MLFLOW_TRACKING_URI", "FTI_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(place)
    stores = {"FTI_DATA_DIR": str(place / "data"), "FTI_USER": "ann", "COLUMNS": "140"}
    return lambda *arguments, **others: CliRunner().invoke(app, ["models", *arguments], env={**stores, **others})


@pytest.fixture
def registry(place: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{place}/data/mlflow/mlflow.db")


def publish_predictions(place: Path, version: int) -> None:
    """One prediction by a version."""
    at = pa.array([DAYS.start], pa.timestamp("us", tz="UTC"))
    own: dict[str, Any] = {"flight": pa.array(["0-1"]), "at": at, "prediction": pa.array([0.5]), "predicted_at": at}
    numbers = {"model_version": version, "view_version": 1, "snapshot": 1}
    rows = pa.table({**own, **{name: pa.array([value]) for name, value in numbers.items()}})
    FeatureStore(place / "data").publish(PREDICTIONS, rows, DAYS)


def test_a_model_from_its_first_training_to_its_deletion(call: Fti, place: Path, registry: ModelRegistry, tmp_path: Path) -> None:
    """In one test, as each step needs the one before."""
    first = call("train", TINY)
    assert first.exit_code == 0, first.output
    assert "flights version 1 is the challenger." in first.stdout
    assert "registering the challenger" in first.stderr
    for seed in ("1", "2"):
        assert call("train", "flights", "--seed", seed).exit_code == 0  # found by what trained version 1
    assert [version.aliases for version in registry.versions("flights")] == [("challenger",), (), ()]

    judged = call("gate", "flights")
    assert judged.exit_code == 0
    assert judged.stdout.startswith("# flights version 3: passed\n\nJudged against no champion")
    assert "- passed: `auc_gate`." in judged.stdout
    assert registry.history("flights") == []
    assert call("gate", "flights", "--promote", "--report", str(tmp_path / "not_there" / "report.md")).exit_code == 2
    assert registry.history("flights") == []  # a report that cannot be written promotes nothing
    assert call("gate", "flights", "--promote", "--report", str(tmp_path / "report.md")).exit_code == 0
    assert "flights version 3 was promoted" in (tmp_path / "report.md").read_text()
    assert registry.get("flights", "champion").version == 3
    again = call("gate", "flights", "--promote")
    assert (again.exit_code, "is the champion already; nothing was judged" in again.stdout) == (0, True)
    assert "was promoted" not in again.stdout
    assert len(registry.history("flights")) == 1

    assert "flights version 2 is the champion now." in call("promote", "flights:2", "--why", "by hand", "--expect", "3").stdout
    refused = call("promote", "flights:1", "--why", "late", "--expect", "3")
    assert (refused.exit_code, "now there is version 2, promotion 2 by ann" in refused.stderr) == (1, True)
    assert "flights version 3 is the champion now." in call("rollback", "flights", "--why", "worse").stdout
    history = json.loads(call("history", "flights", "--json").stdout)
    assert [(one["kind"], one["version"], one["who"]) for one in history] == [
        ("rollback", 3, "ann"),
        ("promotion", 2, "ann"),
        ("promotion", 3, "ann"),
    ]
    assert "by hand" in call("history", "flights").stdout

    compared = json.loads(call("compare", "flights:2", "flights:3", "--json").stdout)
    assert compared["versions"] == [2, 3]
    assert compared["packages"] == {}
    assert "auc_test" in call("compare", "flights:2").stdout

    assert call("delete", "flights:3").exit_code == 1
    publish_predictions(place, 1)
    needed = call("delete", "flights:1")
    assert (needed.exit_code, needed.stderr.startswith("Predictions refer to flights version 1.")) == (1, True)
    lineage = json.loads(call("lineage", "flights:1", "--json").stdout)
    assert (lineage["predictions"], lineage["program"]) == ({"flights": 1}, TINY)
    assert "flights (1 rows)" in call("lineage", "flights:1").stdout

    assert "flights version 3 is in" in call("export", "flights", str(tmp_path / "made")).stdout
    assert (tmp_path / "made" / "model.ubj").is_file()
    assert call("train", "flights").exit_code == 0
    assert call("delete", "flights:4").stdout.startswith("flights version 4 is deleted.")
    assert registry.get("flights", "challenger").version == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(("gate", "unknown"), 2, "Model 'unknown' is not in", id="gate"),
        pytest.param(("gate", "no_module:program"), 2, "Module 'no_module' is not there", id="gate_of_no_module"),
        pytest.param(("train", "unknown"), 1, "Model 'unknown' is not in", id="train"),
        pytest.param(("train", "fti_assets_tests.training.programs:tini"), 1, "Did you mean 'tiny'?", id="train_by_no_program"),
        pytest.param(("promote", "flights", "--why", "x"), 1, "Write flights@challenger or flights:1.", id="promote"),
        pytest.param(("delete", "flights"), 1, "'flights' names no version.", id="delete"),
        pytest.param(("rollback", "unknown", "--why", "x"), 1, "Model 'unknown' is not in", id="rollback"),
        pytest.param(("history", "unknown"), 1, "Model 'unknown' is not in", id="history"),
    ],
)
def test_what_cannot_be_done_is_said(call: Fti, registry: ModelRegistry, arguments: tuple[str, ...], code: int, said: str) -> None:
    if "flights" not in registry.models():
        call("train", TINY)
    result = call(*arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_a_challenger_that_does_not_pass_ends_in_1(call: Fti, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("train", TINY).exit_code == 0
    from dataclasses import replace

    from fti_assets.vocabulary import Gate
    from fti_assets_tests.training import programs

    strict = replace(programs.tiny, model=replace(MODEL, gates=(Gate(metric="auc", minimum=0.999),)))
    monkeypatch.setattr(programs, "tiny", strict)
    before = registry.history("flights")
    result = call("gate", "flights", "--promote")
    assert (result.exit_code, "FAILED: `auc_gate`" in result.stdout) == (1, True), result.output
    assert registry.history("flights") == before


def test_a_gate_that_breaks_down_ends_in_2(call: Fti, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(name: str) -> None:
        raise ZeroDivisionError(name)

    monkeypatch.setattr("fti_assets.cli.models.gate.find_named_program", break_down)
    result = call("gate", "flights")
    assert (result.exit_code, "ZeroDivisionError" in result.stderr) == (2, True)


def test_a_password_in_the_address_of_the_registry_is_not_shown(call: Fti, monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        def models(self) -> list[str]:
            return []

    monkeypatch.setattr("fti_assets.cli.models.versions.model_registry", Empty)
    shown = call("list", MLFLOW_TRACKING_URI="https://ann:secret@mlflow.example:5000/path").stdout
    assert "at https://mlflow.example:5000/path." in shown.replace("\n", "")
    assert "secret" not in shown


def test_without_a_lake_nothing_is_deleted(call: Fti, registry: ModelRegistry, tmp_path: Path) -> None:
    call("train", TINY)
    number = registry.get("flights", "challenger").version
    result = call("delete", f"flights:{number}", FTI_DATA_DIR=str(tmp_path), MLFLOW_TRACKING_URI=registry.tracking_uri)
    assert (result.exit_code, "so it is not known which versions" in result.stderr) == (1, True), result.output
    assert registry.get("flights", number).version == number


def test_predictions_are_explained(call: Fti, place: Path, tmp_path: Path) -> None:
    assert call("train", TINY).exit_code == 0
    rows = tmp_path / "rows.parquet"
    pq.write_table(make_rows(20), rows)

    (one,) = json.loads(call("explain", "flights", str(rows), "--rows", "1", "--features", "2", "--json").stdout)
    shown = call("explain", "flights", str(rows), "--rows", "2").stdout

    assert 0 < one["prediction"] < 1
    assert len(one["effects"]) == 2
    assert set(one["effects"][0]) == {"feature", "value", "contribution"}
    assert "Row 1: " in shown
    assert "Row 2: " not in shown
    assert "There is no file" in call("explain", "flights", str(tmp_path / "none.parquet")).stderr


def test_a_search_and_a_backtest_from_the_command_line(call: Fti, registry: ModelRegistry) -> None:
    searched = call("search", "fti_assets_tests.training.searched:flights", "--trials", "2", "--seed", "9")
    assert searched.exit_code == 0, searched.output
    assert "is the challenger." in searched.stdout
    assert "learning_rate" in searched.stdout
    assert "trial 1: log loss" in searched.stderr

    looked_back = call("backtest", TINY, "--cutoff", "2024-01-03", "--count", "2", "--every-days", "1")
    assert looked_back.exit_code == 0, looked_back.output
    assert [str(cutoff) for cutoff, _ in registry.backtests("flights")] == ["2024-01-02", "2024-01-03"]
    refused = call("backtest", TINY, "--cutoff", "2024-01-03", "--cutoff", "2024-01-02", "--count", "2")
    assert "--count counts back from one --cutoff" in refused.stderr
