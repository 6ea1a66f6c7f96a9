"""`fti datasets recreate` and `fti datasets diff` on a small store."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.feature_store.examples import DAYS, HOUR, OUTCOMES, TRIPS, YEAR, make_dataset, make_group, make_view, rows_of

Fti = Callable[..., Result]

WEATHER = make_group()
DATASET = make_dataset(make_view(WEATHER, own=("distance",)))


def noon(day: int):
    return DAYS.midnight(date(2024, 1, day)) + 12 * HOUR


def cut(store: FeatureStore) -> str:
    return store.cut(DATASET, date(2024, 1, 6), code_version="1")[1].id


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a dataset, with a correction of a value, a late trip and a withdrawn outcome between them."""
    store = FeatureStore(tmp_path_factory.mktemp("data"))
    trips = [(n, noon(n), "a", "x", 1.0) for n in range(1, 6)]
    outcomes = [(n, noon(n) + HOUR, n == 5) for n in range(1, 7)]
    store.publish(TRIPS, rows_of(TRIPS, *trips), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, *outcomes), YEAR)
    store.publish(WEATHER, rows_of(WEATHER, *(("a", noon(n) - HOUR, float(n)) for n in range(1, 6))), YEAR)
    cut(store)
    store.publish(WEATHER, rows_of(WEATHER, ("a", noon(5) - HOUR, 55.5)), DAYS.window("2024-01-05"))
    store.publish(TRIPS, rows_of(TRIPS, *trips, (6, noon(5) + HOUR, "a", "x", 1.0)), YEAR)
    store.publish(
        OUTCOMES, rows_of(OUTCOMES, *(row if row[0] != 6 else (6, noon(5) + 2 * HOUR, None) for row in outcomes[1:])), YEAR
    )
    cut(store)
    return store.root


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "data")


@pytest.fixture
def ids(data: Path) -> list[str]:
    return [manifest.id for _, manifest in FeatureStore(data).datasets("delay")]


def lines(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_a_dataset_is_the_same_when_it_is_cut_again(fti: Fti, empty: Path, data: Path, ids: list[str]) -> None:
    for name in ("delay", f"delay/{ids[0]}"):
        result = fti(empty, "datasets", "recreate", name, data=data)
        assert result.exit_code == 0, result.output
        assert "It is the same: the content hashes are equal." in result.stdout
    found = json.loads(fti(empty, "datasets", "recreate", f"delay/{ids[0]}", "--json", data=data).stdout)
    assert (found["dataset"], found["same"], found["files"]) == (f"delay/{ids[0]}", True, "intact")
    assert found["hash"] == found["stored_hash"]


def test_lost_files_are_put_back(fti: Fti, empty: Path, data: Path, ids: list[str]) -> None:
    file = data / "training_datasets" / "delay" / ids[0] / "test.parquet"
    before = file.read_bytes()
    file.unlink()
    assert "stored files some were missing; put back" in lines(fti(empty, "datasets", "recreate", f"delay/{ids[0]}", data=data))
    assert file.read_bytes() == before


def test_a_dataset_that_comes_out_otherwise(fti: Fti, empty: Path, data: Path, ids: list[str]) -> None:
    file = data / "training_datasets" / "delay" / ids[0] / "manifest.json"
    said = json.loads(file.read_text())
    said["definition"]["view"]["features"][1]["group"]["ttl"] = "PT30M"
    file.write_text(json.dumps(said))
    result = fti(empty, "datasets", "recreate", f"delay/{ids[0]}", data=data)
    assert result.exit_code == 1
    assert "It is NOT the same." in result.stdout
    assert "temp 5 train 3, validation 1, test 1 1 2024-01-01 12:00 1 null" in lines(result)


def test_two_versions_side_by_side(fti: Fti, empty: Path, data: Path, ids: list[str]) -> None:
    for names in (["delay"], [f"delay/{ids[0]}", "delay"], [f"delay/{ids[1]}"]):
        result = fti(empty, "datasets", "diff", *names, data=data)
        assert result.exit_code == 0, result.output
        shown = lines(result)
        assert shown[0] == f"delay/{ids[0]} -> delay/{ids[1]}"
        assert "train: rows 3 2" in shown
        assert "unlabelled rows 0 2" in shown
        assert "only in first 1 train 1 1 2024-01-01 12:00" in shown
        assert "temp 1 test 1 5 2024-01-05 12:00 5 55.5" in shown
    found = json.loads(fti(empty, "datasets", "diff", "delay", "--json", data=data).stdout)
    assert (found["only_first"], found["only_second"], found["moved"]) == ({"train": 1}, {}, {})


def test_a_version_compared_with_itself(fti: Fti, empty: Path, data: Path, ids: list[str]) -> None:
    for names in ([f"delay/{ids[0]}"], ["delay", f"delay/{ids[1]}"]):
        assert "The same rows, with the same values; by trip, asked_at." in lines(fti(empty, "datasets", "diff", *names, data=data))


def test_lists_leave_definitions_out(fti: Fti, empty: Path, data: Path) -> None:
    assert "definition" not in json.loads(fti(empty, "datasets", "list", "--json", data=data).stdout)[0]
    assert json.loads(fti(empty, "datasets", "show", "delay", "--json", data=data).stdout)["definition"]["name"] == "delay"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recreate", "dely"], "Did you mean 'delay'?"),
        (["recreate", "delay/x"], "Training dataset 'delay/x' is not there."),
        (["diff", "delay", "dely"], "Did you mean 'delay'?"),
        (["diff", "delay/x"], "Training dataset 'delay/x' is not there."),
    ],
)
def test_an_unknown_one(fti: Fti, empty: Path, data: Path, arguments: list[str], said: str) -> None:
    result = fti(empty, "datasets", *arguments, data=data)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize("command", ["recreate", "diff"])
def test_help_teaches_by_examples(fti: Fti, empty: Path, command: str) -> None:
    result = fti(empty, "datasets", command, "--help")
    assert "Example" in result.stdout
    assert f"fti datasets {command} " in result.stdout
