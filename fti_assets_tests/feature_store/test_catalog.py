"""What the lake tells of its tables."""

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.vocabulary import Contract, expect
from fti_assets_tests.feature_store.examples import HOUR, T0, YEAR, make_group, rows_of

WEATHER = make_group(ttl=6 * HOUR, contract=Contract(owner="team:test", expectations=(expect.between("temp", 0, 40),)))
PROFILE = make_group("profile", ("seats",), static=True)


def test_a_store_that_is_not_there_has_nothing(store):
    assert store.tables() == []
    assert store.publications("features.weather_v1") == []
    assert store.contracts("features", "weather_v1") == []
    assert store.last_published() == {}
    assert store.dataset_names() == []
    assert not store.lake.root.exists()


def test_tables_tell_rows_and_contract(store):
    store.publish(WEATHER, rows_of(WEATHER, ("a", T0, 1.0), ("b", T0, 2.0)), YEAR)
    store.publish(PROFILE, rows_of(PROFILE, ("a", 1.0)))
    assert [(str(info), info.rows) for info in store.tables("features")] == [("features.profile_v1", 1), ("features.weather_v1", 2)]
    assert store.tables("staging") == []
    told = store.table("features", "weather_v1").description
    assert (told["owner"], told["key"], told["ttl"]) == ("team:test", ["station", "at"], "6:00:00")
    assert [(e["name"], e["says"], e["severity"]) for e in told["expectations"]] == [
        ("temp_in_range", "temp is from 0 to 40", "critical")
    ]
    with pytest.raises(NotFoundError, match=r"Table 'wether_v1' is not in 'features'\. Did you mean 'weather_v1'"):
        store.table("features", "wether_v1")


def test_tables_of_the_platform_are_shown_when_asked_for(store):
    for value in (1.0, 2.0):
        store.publish(WEATHER, rows_of(WEATHER, ("a", T0, value)), YEAR)
    assert list(map(str, store.tables())) == ["features.weather_v1"]
    assert list(map(str, store.tables("catalog"))) == ["catalog.contracts", "catalog.publications"]
    assert [(str(info), info.rows) for info in store.tables("superseded")] == [("superseded.weather_v1", 1)]


@pytest.mark.parametrize("published", [pytest.param(True, id="unknown_number"), pytest.param(False, id="no_lake")])
def test_a_snapshot_that_is_not_there(store, published):
    if published:
        store.publish(PROFILE, rows_of(PROFILE), may_be_empty=True)
    with pytest.raises(NotFoundError, match="There is no snapshot 999"), store.reading(999):
        pass
