"""Commands that show what is in the stores, on stores that runs have filled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fti_assets.feature_store import FeatureStore
from fti_assets_tests.cli.conftest import PREDICTED, VISITS
from fti_assets_tests.conftest import House

Fti = Callable[..., Result]


def lines(result: Result, start: str) -> list[str]:
    assert result.exit_code == 0, result.output
    spaced = (" ".join(line.split()) for line in result.stdout.splitlines())
    return [line for line in spaced if f"{line} ".startswith(start)]


def test_features_list(fti: Fti, empty: Path, flights_house: House) -> None:
    rows = flights_house.store.table("features", "plane_profile_v1").rows
    (line,) = lines(fti(empty, "features", "list", data=flights_house.root), "plane_profile_v1")
    assert line.startswith(f"plane_profile_v1 plane 4 {rows:,} ")
    assert line.endswith("static data-engineering")


def test_features_list_for_programs(fti: Fti, workplace: Path) -> None:
    groups = {group["table"]: group for group in json.loads(fti(workplace, "features", "list", "--json").stdout)}
    assert groups.keys() == {"visits_v1", "orders_v1"}
    assert groups["visits_v1"]["rows"] == VISITS
    assert groups["visits_v1"]["newest"].startswith("2025-04-09 21:")  # a quarter to midnight in Paris


@pytest.mark.parametrize("name", ["origin_weather", "origin_weather_v1"])
def test_features_show_the_promise(fti: Fti, empty: Path, flights_house: House, name: str) -> None:
    result = fti(empty, "features", "show", name, data=flights_house.root)
    assert lines(result, "features.") == ["features.origin_weather_v1"]
    assert lines(result, "valid for") == ["valid for 6 hours"]
    assert lines(result, "fresh within") == ["fresh within 30 hours"]
    assert lines(result, "temp_f ") == ["temp_f float °F Air temperature."]


def test_features_show_what_expectations_saw(fti: Fti, workplace: Path) -> None:
    result = fti(workplace, "features", "show", "visits")
    (held,) = lines(result, "pages_not_null")
    (failed,) = lines(result, "pages_in_range")
    assert "critical held on 40 days" in held
    assert "warning FAILED on 1 of 40 days: 2025-03-01" in failed


def test_features_show_the_last_publications(fti: Fti, workplace: Path) -> None:
    result = fti(workplace, "features", "show", "visits", "--json")
    (publication,) = json.loads(result.stdout)["publications"]
    assert (publication["kind"], publication["rows"]) == ("publish", VISITS)
    assert publication["window"] == {"start": "2025-02-28 23:00:00+00:00", "end": "2025-04-09 22:00:00+00:00"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("vists", "Did you mean 'visits'?", id="misspelt"),
        pytest.param("visits_v2", "Did you mean 'visits_v1'?", id="unknown_version"),
        pytest.param('x" --', "cannot be named", id="no_name"),
    ],
)
def test_features_show_an_unknown_group(fti: Fti, workplace: Path, name: str, said: str) -> None:
    result = fti(workplace, "features", "show", name)
    assert result.exit_code == 1
    assert said in result.stderr


def test_datasets(fti: Fti, workplace: Path) -> None:
    _, manifest = FeatureStore(workplace / "data").dataset("purchase")
    (line,) = lines(fti(workplace, "datasets", "list"), "purchase")
    assert line.startswith(f"purchase {manifest.id} {manifest.rows['train']:,} {manifest.rows['validation']:,} ")
    for name in ("purchase", f"purchase/{manifest.id}"):
        result = fti(workplace, "datasets", "show", name)
        assert lines(result, "test 2") == [
            f"test 2025-03-30 22:00 2025-04-09 22:00 {manifest.rows['test']} {manifest.positive_share['test']:.1%}"
        ]
        assert lines(result, "content hash") == [f"content hash {manifest.content_hash}"]


@pytest.mark.parametrize(
    ("name", "said"), [("purchas", "Did you mean 'purchase'?"), ("purchase/2025", "Training dataset 'purchase/2025' is not")]
)
def test_datasets_show_an_unknown_one(fti: Fti, workplace: Path, name: str, said: str) -> None:
    result = fti(workplace, "datasets", "show", name)
    assert result.exit_code == 1
    assert said in result.stderr


def test_models(fti: Fti, workplace: Path) -> None:
    (line,) = lines(fti(workplace, "models", "list"), "purchase")
    assert re.match(r"purchase 1 challenger, champion 0\.\d{4} promoted 2025-04-10-s\d+-", line)


@pytest.mark.parametrize("name", ["purchase", "purchase@champion", "purchase:1"])
def test_models_show_one(fti: Fti, workplace: Path, name: str) -> None:
    result = fti(workplace, "models", "show", name)
    assert lines(result, "purchase version") == ["purchase version 1"]
    assert lines(result, "decision p") == ["decision promoted"]
    (auc,) = lines(result, "auc 0")
    assert re.fullmatch(r"auc( 0\.\d{4}){3}", auc)
    assert lines(result, "groups") == ["groups visits_v1, orders_v1"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("purchase@previous", "Alias 'previous' is not in model 'purchase'. It has: challenger, champion."),
        ("purchase:7", "Model 'purchase' has no version 7. It has: 1."),
        ("purchase@", "'purchase@' names no version. Write purchase@champion or purchase:1."),
        ("purchas", "Did you mean 'purchase'?"),
    ],
)
def test_models_show_an_unknown_one(fti: Fti, workplace: Path, name: str, said: str) -> None:
    result = fti(workplace, "models", "show", name)
    assert result.exit_code == 1
    assert said in result.stderr


def test_predictions_show_the_newest_rows_first(fti: Fti, workplace: Path) -> None:
    rows = json.loads(fti(workplace, "predictions", "show", "purchase", "--rows", "3", "--json").stdout)
    assert [row["visit_id"] for row in rows] == [VISITS - 1, VISITS - 2, VISITS - 3]


def test_predictions_show_identifiers_as_they_are(fti: Fti, workplace: Path) -> None:
    result = fti(workplace, "predictions", "show", "purchase", "--rows", "2")
    assert lines(result, str(VISITS - 1))
    assert f"2 of {PREDICTED} rows" in result.stdout


def test_predictions_of_a_day_that_has_none(fti: Fti, workplace: Path) -> None:
    result = fti(workplace, "predictions", "show", "purchase", "--day", "2025-03-01")
    assert result.exit_code == 1
    assert "There are no predictions 'purchase' for 2025-03-01." in result.stderr


def test_predictions_by_day_with_how_they_turned_out(fti: Fti, workplace: Path) -> None:
    days = json.loads(fti(workplace, "predictions", "show", "purchase", "--summary", "--json").stdout)
    assert sum(day["predictions"] for day in days) == PREDICTED
    assert "known outcomes" in fti(workplace, "predictions", "show", "purchase", "--summary").stdout
    with FeatureStore(workplace / "data").connect() as lake:
        realised = lake.execute("SELECT auc FROM lake.monitoring.purchase ORDER BY day").fetchall()
    assert [day["auc"] for day in days if day["outcomes"]] == [auc for (auc,) in realised]


def test_predictions_are_counted_by_days_of_their_own_calendar(fti: Fti, workplace: Path) -> None:
    days = json.loads(fti(workplace, "predictions", "show", "purchase", "--summary", "--json").stdout)
    assert [day["predictions"] for day in days] == [40] * 10


def test_status_shows_every_store(fti: Fti, workplace: Path) -> None:
    result = fti(workplace, "status")
    assert "12 complete days, 2013-01-01 to 2013-01-12" in result.stdout
    assert lines(result, f"predictions purchase {PREDICTED} ")
    assert lines(result, "purchase 1 1 0.")
    assert lines(result, "flights_collection 2013-01-01 to 2013-01-12 success")
    (check,) = lines(result, "features.visits_v1 pages_in_range warning 1 2025-03-01")
    assert "3.5" in check
