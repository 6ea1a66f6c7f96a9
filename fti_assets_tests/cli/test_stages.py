"""What the main job of a system runs, decided on literal values."""

from __future__ import annotations

import pytest

from fti_assets.cli.stages import (
    Days,
    Part,
    checked_days,
    cutoff_config,
    cutoff_of,
    days_of_test,
    plan,
    systems,
)
from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store import Manifest
from fti_assets.vocabulary import Daily

JOBS = [
    "flights_online",
    "flights_online_monitoring",
    "flights_inference_log",
    "flights_inference",
    "flights_features",
    "flights_training",
    "flights_collection",
    "flights_features_whole",
    "flights_collection_whole",
    "shop_features",
    "nightly",
]
CALENDAR = Daily(start="2013-01-01", end="2014-01-01", timezone="America/New_York")


def test_systems_are_found_by_the_names_of_their_jobs() -> None:
    assert systems(JOBS) == ["flights", "shop"]


def test_stages_run_in_the_order_of_the_data_reference_tables_first() -> None:
    assert [stage.job for stage in plan("flights", JOBS)] == [
        "flights_collection_whole",
        "flights_collection",
        "flights_features_whole",
        "flights_features",
        "flights_training",
        "flights_inference",
        "flights_online",
    ]


def test_a_system_has_only_the_stages_that_exist() -> None:
    assert [stage.job for stage in plan("shop", JOBS)] == ["shop_features"]


def test_only_runs_one_part_with_its_reference_tables() -> None:
    assert [stage.job for stage in plan("flights", JOBS, Part.FEATURES)] == ["flights_features_whole", "flights_features"]


def test_an_unknown_system_is_told_with_what_was_meant() -> None:
    with pytest.raises(
        NotFoundError, match=r"'fligths' is not in the workspace\. Did you mean 'flights'\? It has: flights, shop\."
    ):
        plan("fligths", JOBS)


def test_a_part_that_the_system_lacks_is_told() -> None:
    with pytest.raises(NotFoundError, match=r"Part 'training' is not in system 'shop'\. It has: features\."):
        plan("shop", JOBS, Part.TRAINING)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(None, None, Days("2013-01-01", "2013-12-31"), id="whole_calendar"),
        pytest.param("2013-02-01", None, Days("2013-02-01", "2013-12-31"), id="from_a_day"),
        pytest.param("2013-02-01", "2013-02-01", Days("2013-02-01", "2013-02-01"), id="one_day"),
    ],
)
def test_days_default_to_the_calendar(first: str | None, last: str | None, expected: Days) -> None:
    assert checked_days(CALENDAR, first, last) == expected


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param("2012-12-31", None, id="before_the_calendar"),
        pytest.param(None, "2014-01-01", id="after_the_calendar"),
        pytest.param("2013-02-02", "2013-02-01", id="wrong_order"),
        pytest.param("soon", None, id="no_day"),
    ],
)
def test_days_that_cannot_be_run_are_refused(first: str | None, last: str | None) -> None:
    with pytest.raises(DefinitionError, match=r"2013-12-31|YYYY-MM-DD"):
        checked_days(CALENDAR, first, last)


def test_the_test_split_is_scored_by_days_of_the_calendar() -> None:
    manifest = Manifest(
        id="x",
        dataset="flight_delay",
        view="flight_delay",
        view_version=1,
        groups={},
        snapshot=1,
        cutoff="2014-01-01T05:00:00+00:00",
        splits={"test": ("2013-11-01T04:00:00+00:00", "2014-01-01T05:00:00+00:00")},
        rows={},
        positive_share={},
        unlabelled_rows=0,
        features=(),
        label="late",
        content_hash="",
        code_version="",
        created_at="",
    )
    assert days_of_test(manifest, "America/New_York") == Days("2013-11-01", "2013-12-31")


@pytest.mark.parametrize(
    ("cutoff", "last", "expected"),
    [
        pytest.param(None, None, None, id="left_to_the_dataset"),
        pytest.param(None, "2013-02-28", "2013-03-01", id="the_day_after_the_last"),
        pytest.param("2013-02-01", "2013-02-28", "2013-02-01", id="as_asked_for"),
    ],
)
def test_the_cutoff_follows_the_last_day(cutoff: str | None, last: str | None, expected: str | None) -> None:
    assert cutoff_of(cutoff, last) == expected


def test_the_cutoff_reaches_every_dataset() -> None:
    assert cutoff_config(["a", "b"], "2013-03-01") == {
        "ops": {
            "training_datasets__a": {"config": {"cutoff": "2013-03-01"}},
            "training_datasets__b": {"config": {"cutoff": "2013-03-01"}},
        }
    }
    assert cutoff_config(["a"], None) == {}
