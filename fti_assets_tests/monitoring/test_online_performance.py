"""How online predictions turned out, on literal logs."""

from dataclasses import replace

import pytest

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring import land, logged_with_outcomes, performance_by_role, with_earlier_days
from fti_assets.vocabulary import OnlineMonitor
from fti_assets_tests.feature_store.examples import DAY, HOUR, OUTCOMES, PROMISE, T0, YEAR, day, rows_of
from fti_assets_tests.monitoring.logged import LOG, said, write_segment

MONITOR = OnlineMonitor(log=LOG, contract=PROMISE, lookback_days=3)
NOW = T0 + DAY


@pytest.fixture
def store(tmp_path):
    """Trip 1 was on time and 2 late, of which an earlier word was corrected; nothing is known of trip 3."""
    made = FeatureStore(tmp_path)
    outcomes = [(1, T0 + HOUR, True), (1, T0 + 2 * HOUR, False), (2, T0 + HOUR, True), (4, T0 + HOUR, True)]
    made.publish(OUTCOMES, rows_of(OUTCOMES, *outcomes), YEAR)
    return made


def log(store, *lines):
    folder = store.root / "inference_log" / "delay"
    write_segment(folder, "a-000001.ndjson", *lines)
    land(store, LOG, folder)


def asked(number, prediction, request="", **changes):
    return said(number, request_id=request or f"r{number}", prediction=prediction, **changes)


def outcomes(store, monitor=MONITOR, now=NOW):
    with store.connect() as connection:
        return logged_with_outcomes(store, connection, monitor, now=now)


def performance(store, monitor=MONITOR, now=NOW, training_auc=None):
    """The rows of the monitor, which is published."""
    with store.connect() as connection:
        rows = logged_with_outcomes(store, connection, monitor, now=now)
        made = with_earlier_days(store, connection, monitor, performance_by_role(monitor, rows, training_auc or {}))
    store.publish(monitor, made, may_be_empty=True)
    return made.to_pylist()


def test_each_request_meets_the_newest_outcome_of_its_row(store):
    log(store, asked(1, 0.2), asked(2, 0.8), asked(3, 0.5), asked(1, 0.3, "again"))

    rows = sorted(outcomes(store).to_pylist(), key=lambda row: row["prediction"])

    assert [(row["prediction"], row["outcome"]) for row in rows] == [(0.2, 0.0), (0.3, 0.0), (0.5, None), (0.8, 1.0)]
    assert {(row["day"], row["role"], row["model_version"]) for row in rows} == {("2024-01-10", "champion", 1)}


def test_roles_and_versions_stand_side_by_side(store):
    both = [(1, 0.2, 0.9), (2, 0.8, 0.1), (3, 0.5, 0.5)]
    champion = [asked(n, ours) for n, ours, _ in both]
    shadow = [asked(n, theirs, role="shadow", model_version=2) for n, _, theirs in both]
    log(store, *champion, *shadow, asked(4, 0.7, model_version=3))

    made = performance(store, training_auc={1: 0.75, 2: 0.8})

    seen = [(row["role"], row["model_version"], row["predictions"], row["outcomes"], row["auc"]) for row in made]
    assert seen == [("champion", 1, 3, 2, 1.0), ("champion", 3, 1, 1, None), ("shadow", 2, 3, 2, 0.0)]
    assert [row["training_auc"] for row in made] == [0.75, None, 0.8]
    assert made[0]["brier"] == pytest.approx((0.04 + 0.04) / 2)
    assert {row["day"] for row in made} == {day("2024-01-10").start}


def test_outcomes_that_become_known_later_are_taken_up(store):
    log(store, asked(3, 0.5))
    before = performance(store)
    store.publish(OUTCOMES, rows_of(OUTCOMES, (3, T0 + HOUR, True)), YEAR)

    after = performance(store)

    assert [(row["outcomes"], row["base_rate"]) for row in (*before, *after)] == [(0, None), (1, 1.0)]


def test_days_of_long_ago_stay_as_they_were_measured(store):
    log(store, asked(1, 0.2))
    performance(store)
    later = T0 + 5 * DAY
    log(store, asked(2, 0.8, request_time=later.isoformat(), logged_at=later.isoformat()))
    store.publish(OUTCOMES, rows_of(OUTCOMES, (2, T0 + HOUR, True)), YEAR)  # the outcome of trip 1 is withdrawn

    made = performance(store, now=later)

    assert [(f"{row['day']:%d}", row["outcomes"]) for row in made] == [("10", 1), ("15", 1)]


def test_a_day_of_which_something_was_logged_lately_is_measured_as_a_whole(store):
    """Somebody asks today about a flight of five days ago, as in a replay."""
    log(store, asked(1, 0.2))
    later = T0 + 5 * DAY
    log(store, asked(2, 0.8, logged_at=later.isoformat()))

    (made,) = performance(store, now=later)

    assert (made["predictions"], made["outcomes"]) == (2, 2)


def test_days_are_those_of_the_spines_zone(store):
    new_york = replace(LOG.view.spine.cadence, timezone="America/New_York")
    spine = replace(LOG.view.spine, cadence=new_york)
    view = replace(LOG.view, spine=spine, features=(spine["distance"], *LOG.view.features[1:]))
    model = replace(LOG.model, dataset=replace(LOG.model.dataset, view=view))
    monitor = replace(MONITOR, log=replace(LOG, model=model))
    log(store, asked(1, 0.2, request_time="2024-01-11T04:59:59+00:00"), asked(2, 0.8, request_time="2024-01-11T05:00:00+00:00"))

    made = performance(store, monitor)

    assert [row["day"].isoformat() for row in made] == ["2024-01-10T05:00:00+00:00", "2024-01-11T05:00:00+00:00"]


def test_nothing_was_logged(store):
    assert performance(store) == []


def test_a_monitor_looks_back(store):
    with pytest.raises(DefinitionError, match="looks back 0 days"):
        replace(MONITOR, lookback_days=0)
