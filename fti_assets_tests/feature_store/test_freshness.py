"""Whether tables are as fresh as they promise."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fti_assets.feature_store import describe
from fti_assets.feature_store.publishing.freshness import freshness, published_until
from fti_assets.vocabulary import Contract, Daily
from fti_assets_tests.feature_store.examples import DAY, DAYS, HOUR, MICROSECOND, T0, day, make_group, rows_of

PROMISE = Contract(owner="team:test", fresh_within=30 * HOUR)
OPEN = replace(make_group(contract=PROMISE), cadence=Daily(start="2024-01-01"))
ENDS = make_group(contract=PROMISE)
STATIC = make_group("static", static=True, contract=PROMISE)
END = DAYS.span().end


@pytest.mark.parametrize(
    ("group", "newest", "now", "verdict"),
    [
        pytest.param(OPEN, T0, T0 + 30 * HOUR, "fresh", id="just_as_old_as_promised"),
        pytest.param(OPEN, T0, T0 + 30 * HOUR + MICROSECOND, "late", id="older_than_promised"),
        pytest.param(OPEN, T0 + DAY, T0, "fresh", id="published_ahead"),
        pytest.param(OPEN, None, T0, "late", id="nothing_published"),
        pytest.param(STATIC, T0, T0 + HOUR, "fresh", id="static"),
        pytest.param(STATIC, T0, T0 + 31 * HOUR, "late", id="static_and_old"),
        pytest.param(make_group(), T0, T0 + 99 * DAY, "not promised", id="nothing_promised"),
        pytest.param(ENDS, END, END + 99 * DAY, "complete", id="all_of_a_calendar_that_ended"),
        pytest.param(ENDS, END - DAY, END + 99 * DAY, "late", id="its_last_day_is_missing"),
    ],
)
def test_verdict(group, newest, now, verdict):
    found = freshness(describe(group), newest, now)
    assert found.verdict == verdict
    assert found.promised == (30 * HOUR if group.contract.fresh_within else None)


def test_age_is_counted_from_the_end_of_what_is_published():
    assert freshness(describe(OPEN), T0, T0 + HOUR).age == HOUR
    assert freshness(describe(OPEN), T0 + DAY, T0).age == timedelta()
    assert freshness(describe(OPEN), None, T0).age is None


def test_contracts_from_before_it_was_told_promise_nothing():
    assert freshness({}, T0, T0).verdict == "not promised"


def test_a_table_is_published_until_its_last_window_ends(store):
    store.publish(ENDS, rows_of(ENDS, ("a", T0, 1.0)), day("2024-01-10"))
    store.publish(ENDS, rows_of(ENDS, ("a", T0 - DAY, 1.0)), day("2024-01-09"))
    store.publish(STATIC, rows_of(STATIC, ("a", 1.0)))
    store.upsert(ENDS, rows_of(ENDS, ("a", T0, 2.0)))
    with store.connect() as connection:
        found = published_until(connection)
    assert found["features.weather_v1"] == day("2024-01-10").end
    assert found["features.static_v1"] == store.publications("features.static_v1")[0].published_at


def test_nothing_is_published_in_an_empty_lake(store):
    with store.connect() as connection:
        assert published_until(connection) == {}
