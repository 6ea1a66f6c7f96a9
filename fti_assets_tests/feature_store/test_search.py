"""Feature groups found by words."""

from dataclasses import replace

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import FeatureStore, TableInfo, describe
from fti_assets.feature_store.catalogue.search import Hit, find_group, search, suggestion
from fti_assets.vocabulary import Contract, Feature
from fti_assets_tests.feature_store.examples import TRIPS, make_group


def table(group):
    return TableInfo("features", group.versioned_name, 0, 0, 0, describe(group))


WEATHER = replace(
    make_group(features=(Feature("temp_f", "float", "Air temperature.", unit="°F"), Feature("wind", "float", unit="m/s"))),
    description="What the sky does, hourly.",
    tags=("air", "outdoor"),
)
DELAYS = replace(
    make_group("delays", (Feature("late_share_7d", "float", "Late arrivals of the last 7 days; wind is no excuse."),)),
    contract=Contract(owner="ann@rail.example"),
)
TABLES = [table(WEATHER), table(DELAYS), table(TRIPS)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("weather", ["weather_v1"], id="name"),
        pytest.param("TEMP", ["weather_v1"], id="part_of_a_feature_in_capitals"),
        pytest.param("late share", ["delays_v1"], id="words_of_one_feature"),
        pytest.param("wind", ["weather_v1", "delays_v1"], id="a_name_before_a_description"),
        pytest.param("°f", ["weather_v1"], id="unit"),
        pytest.param("outdoor", ["weather_v1"], id="tag"),
        pytest.param("ann@rail.example", ["delays_v1"], id="owner"),
        pytest.param("rail", ["delays_v1"], id="part_of_an_owner"),
        pytest.param("trip", ["trips_v1"], id="entity"),
        pytest.param("station", ["trips_v1", "delays_v1", "weather_v1"], id="a_feature_before_entities"),
        pytest.param("sky wind", ["weather_v1"], id="every_word_must_be_found"),
        pytest.param("sky late", [], id="not_in_two_groups"),
        pytest.param("v1", ["delays_v1", "trips_v1", "weather_v1"], id="equally_good_ones_by_name"),
        pytest.param("  ", [], id="no_word"),
    ],
)
def test_groups_are_found_best_first(text, names):
    assert [match.table.name for match in search(TABLES, text)] == names


def test_a_match_says_where():
    (match,) = search(TABLES, "temperature")
    assert match.hits == (Hit("description", "temp_f", "Air temperature."),)
    (match,) = search(TABLES, "outdoor temp")
    assert [(hit.field, hit.text) for hit in match.hits] == [
        ("tag", "outdoor"),
        ("feature", "temp_f"),
        ("description", "Air temperature."),
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        pytest.param("wether", "weather", id="misspelt"),
        pytest.param("temprature outdoor", "temperature outdoor", id="only_the_wrong_word_is_changed"),
        pytest.param("sky late", None, id="words_that_are_known_but_apart"),
        pytest.param("zzz", None, id="nothing_like_it"),
    ],
)
def test_what_was_probably_meant(text, meant):
    assert suggestion(TABLES, text) == meant


def test_a_store_is_searched(store):
    assert store.search("weather") == []
    assert not store.lake.root.exists()


def test_versions_are_counted_not_spelt():
    tables = [table(make_group(version=version)) for version in (2, 10, 9)]
    assert find_group(tables, "weather").name == "weather_v10"
    assert find_group(tables, "weather_v9").name == "weather_v9"
    with pytest.raises(NotFoundError, match=r"Feature group 'weather_v3' is not in the lake\. Did you mean 'weather_v\d+'\?"):
        find_group(tables, "weather_v3")
    with pytest.raises(NotFoundError, match=r"It has none\. Materialise a feature group"):
        find_group([], "weather")


def test_a_group_is_found_in_the_store(tmp_path):
    with pytest.raises(NotFoundError, match="It has none"):
        FeatureStore(tmp_path).group("weather")
