"""`fti land` and `fti run`, as programs of their own on real stores."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets.cli import stores
from fti_assets.collection import LandingZone
from fti_assets.feature_store import FeatureStore
from fti_assets.model_registry import ModelRegistry
from fti_assets_tests.cli.conftest import FIRST, LAST, PREDICTED, Ended, fti_program

Fti = Callable[..., Result]


def test_land_delivers_and_says_what_lies_where(fti: Fti, empty: Path) -> None:
    result = fti(empty, "land", "--first", "2013-03-09", "--last", "2013-03-10")
    assert result.exit_code == 0
    assert "Delivered 2 days, 2013-03-09 to 2013-03-10" in result.stdout
    assert re.search(r"flights +1,\d\d\d +data/landing/flights/flights_YYYY-MM-DD.csv", result.stdout)
    assert re.search(r"planes +3,322 +data/landing/reference/planes.csv", result.stdout)
    assert list(LandingZone(empty / "data" / "landing").days()) == ["2013-03-09", "2013-03-10"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--first", "2012-01-01"], "there are 2013-01-01 to 2013-12-31", id="no_such_days"),
        pytest.param(["--system", "shop"], "System 'shop' is not in what this package delivers data for", id="no_such_system"),
        pytest.param(["--system", "../x"], "cannot be named", id="no_name"),
    ],
)
def test_land_what_cannot_be_delivered(fti: Fti, empty: Path, options: list[str], said: str) -> None:
    result = fti(empty, "land", *options)
    assert result.exit_code == 1
    assert said in result.stderr


def test_run_lands_first_where_nothing_has_landed(workplace: Path) -> None:
    said = (workplace / "flights.txt").read_text(encoding="utf-8")
    assert f"Delivered 12 days, {FIRST} to {LAST}" in said
    assert said.index("Delivered") < said.index("collection (reference)") < said.index(f"collection {FIRST} to {LAST}")
    assert len(LandingZone(workplace / "data" / "landing").days()) == 12


def test_run_shows_stages_and_steps_with_their_seconds(workplace: Path) -> None:
    said = (workplace / "flights.txt").read_text(encoding="utf-8")
    assert re.search(r"^collection +2 steps +\d+\.\d +[0-9a-f]{8}", said, re.MULTILINE)
    assert re.search(r"^ +staging/weather +\d+\.\d", said, re.MULTILINE)
    assert re.search(r"^all +\d+\.\d", said, re.MULTILINE)


def test_only_runs_one_part(workplace: Path) -> None:
    said = (workplace / "flights.txt").read_text(encoding="utf-8")
    assert "staging/weather" in said
    assert "features" not in said
    assert "Model" not in said


def test_a_whole_system_ends_with_what_came_out(workplace: Path) -> None:
    said = (workplace / "shop.txt").read_text(encoding="utf-8")
    version = ModelRegistry(f"sqlite:///{workplace}/data/mlflow/mlflow.db").get("purchase", "champion")
    assert "Model purchase, version 1" in said
    assert re.search(r"alias +challenger, champion", said)
    assert version.tags["decision_reason"] in said
    assert re.search(rf"AUC on test +{version.metrics['auc_test']:.4f}", said)
    assert re.search(rf"AUC of base rates +{version.metrics['baseline_auc_test']:.4f}", said)
    assert re.search(r"known outcomes +100.0%", said)
    assert re.search(rf"realised AUC +{version.metrics['auc_test']:.4f}", said)  # the same rows as the test split


def test_inference_covers_the_days_of_the_test_split(workplace: Path) -> None:
    said = (workplace / "shop.txt").read_text(encoding="utf-8")
    assert "inference 2025-03-31 to 2025-04-09" in said
    assert FeatureStore(workplace / "data").table("predictions", "purchase").rows == PREDICTED


def test_what_steps_print_stays_in_their_logs(workplace: Path) -> None:
    assert "noise" not in (workplace / "shop.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def failed(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Ended]:
    """Runs that fail: of a day that was not delivered, and of a training that sees no day."""
    collection = ["run", "flights", "--only", "collection", "--first", "2013-01-13", "--last", "2013-01-13"]
    training = ["run", "shop", "--only", "training", "--cutoff", "2025-03-10"]
    return fti_program(workplace, tmp_path_factory.mktemp("told"), collection, training)


def test_a_failed_stage_ends_the_job_with_its_reason(failed: list[Ended]) -> None:
    ended = failed[0]
    assert ended.code == 1
    assert "flights_2013-01-13.csv cannot be read: its delivery note" in ended.err
    assert "Traceback" not in ended.err
    assert re.search(r"^collection \(reference\) +3 steps", ended.out, re.MULTILINE)  # what ended well before it


def test_a_cutoff_too_early_is_told_by_the_training_stage(failed: list[Ended]) -> None:
    ended = failed[1]
    assert ended.code == 1
    assert "none is left to train on: the data begins on 2025-03-01" in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["fligths"], "Did you mean 'flights'? It has: flights, shop.", id="unknown_system"),
        pytest.param(["flights", "--first", "2012-01-01"], "there are 2013-01-01 to 2013-12-31", id="outside_the_calendar"),
        pytest.param(["flights", "--score-last", "2014-01-01"], "Give --score-first and --score-last", id="scored_outside"),
        pytest.param(["flights", "--cutoff", "tomorrow"], "'tomorrow' is not a day", id="cutoff_is_no_day"),
        pytest.param(["shop", "--only", "inference"], "No training dataset is stored", id="nothing_to_score"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(fti: Fti, empty: Path, options: list[str], said: str) -> None:
    result = fti(empty, "run", *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (empty / "data" / "landing").exists()


def test_a_traceback_only_where_it_is_asked_for(fti: Fti, empty: Path) -> None:
    result = fti(empty, "--debug", "run", "fligths")
    assert result.exit_code == 1
    assert "fligths" in str(result.exception)


def test_the_instance_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, empty: Path, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(empty))
    assert stores.dagster_home(tmp_path / "workspace.yaml") == empty
    monkeypatch.delenv("DAGSTER_HOME")
    assert stores.dagster_home(empty / "workspace.yaml") == empty
