"""What the lake tells of its tables and publications."""

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.vocabulary import Contract, expect
from fti_assets_tests.feature_store.examples import DAY, HOUR, T0, YEAR, day, make_group, rows_of

WEATHER = make_group(ttl=6 * HOUR, contract=Contract(owner="team:test", expectations=(expect.between("temp", 0, 40),)))
PROFILE = make_group("profile", ("seats",), static=True)


def missing(store, group, window=None):
    with store.connect() as connection:
        return store.unpublished_days(connection, group.table, window or YEAR)


def test_a_store_that_is_not_there_has_nothing(store):
    assert store.tables() == []
    assert store.history("features.weather_v1") == []
    assert store.dataset_names() == []
    assert not store.lake.root.exists()


def test_tables_tell_rows_and_contract(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 2.0)), YEAR)
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)))
    assert [(str(info), info.rows) for info in store.tables("features")] == [("features.profile_v1", 1), ("features.weather_v1", 2)]
    assert store.tables("staging") == []
    told = store.table("features", "weather_v1").description
    assert (told["owner"], told["key"], told["ttl"]) == ("team:test", ["station", "at"], "6:00:00")
    assert told["expectations"] == [
        {
            "name": "temp_in_range",
            "says": "temp is from 0 to 40",
            "severity": "critical",
        }
    ]
    with pytest.raises(NotFoundError, match=r"Table 'wether_v1' is not in 'features'\. Did you mean 'weather_v1'"):
        store.table("features", "wether_v1")


def test_history_is_newest_first_and_names_the_run(store):
    first = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), day("2024-01-10"), run="r1")
    second = store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 2.0)), day("2024-01-10"), run="r2")
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)))
    found = store.history("features.weather_v1")
    assert [(snapshot, run) for snapshot, _, run, _ in found] == [(second.snapshot, "r2"), (first.snapshot, "r1")]
    assert found[0][3] == {
        "table": "features.weather_v1",
        "rows": 1,
        "replaced": 1,
        "window": ["2024-01-10 00:00:00+00:00", "2024-01-11 00:00:00+00:00"],
    }
    assert len(store.history("features.weather_v1", limit=1)) == 1


def test_days_without_a_publication_are_told(store):
    window = WEATHER.cadence.window("2024-01-09", "2024-01-12")
    assert missing(store, WEATHER, window) == ["2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"]
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0)), WEATHER.cadence.window("2024-01-10", "2024-01-11"))
    assert missing(store, WEATHER, window) == ["2024-01-09", "2024-01-12"]


def test_a_day_that_was_published_empty_is_covered_at_the_first_publication_and_later(store):
    for key in ("2024-01-09", "2024-01-10", "2024-01-11"):
        publication = store.publish(WEATHER, rows_of(WEATHER), day(key), run=key)
        assert (publication.rows, publication.replaced) == (0, 0)
    assert missing(store, WEATHER, WEATHER.cadence.window("2024-01-08", "2024-01-11")) == ["2024-01-08"]
    assert [run for _, _, run, _ in store.history("features.weather_v1")] == ["2024-01-11", "2024-01-10", "2024-01-09"]
    assert store.table("features", "weather_v1").description["group"] == "weather"


def test_half_a_day_is_not_a_published_day(store):
    whole = day("2024-01-10")
    half = type(whole)(whole.start, whole.start + DAY / 2)
    store.publish(WEATHER, rows_of(WEATHER, ("a", whole.start, 1.0)), half)
    assert missing(store, WEATHER, whole) == ["2024-01-10"]


def test_a_table_without_time_is_there_or_not(store):
    assert missing(store, PROFILE) == ["as a whole"]
    store.publish(PROFILE, rows_of(PROFILE))
    assert missing(store, PROFILE) == []


@pytest.mark.parametrize("published", [pytest.param(True, id="unknown_number"), pytest.param(False, id="no_lake")])
def test_a_snapshot_that_is_not_there(store, published):
    if published:
        store.publish(PROFILE, rows_of(PROFILE))
    with pytest.raises(NotFoundError, match="There is no snapshot 999"), store.reading(999):
        pass
