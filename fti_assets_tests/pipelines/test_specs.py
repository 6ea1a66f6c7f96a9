"""How tables look in the Dagster UI."""

from dataclasses import replace

from fti_assets.pipelines.specs import table_spec
from fti_assets.vocabulary import Deprecation
from fti_assets_tests.feature_store.examples import make_group

WEATHER = replace(make_group(), description="Weather at a station.", tags=("air", "hourly"))


def test_a_deprecated_group_says_so_first():
    spec = table_spec(replace(WEATHER, deprecated=Deprecation("The sensor moved.", "weather_v2")))
    assert spec.description == "**Deprecated.** The sensor moved. Read weather_v2 instead.\n\nWeather at a station."
    assert (spec.metadata["deprecated"], spec.metadata["successor"]) == ("The sensor moved.", "weather_v2")
    assert spec.tags["fti/deprecated"] == "true"


def test_one_without_a_successor():
    spec = table_spec(replace(make_group(), deprecated=Deprecation("Nobody needs it.")))
    assert spec.description == "**Deprecated.** Nobody needs it."
    assert "successor" not in spec.metadata


def test_a_group_that_is_not_deprecated():
    spec = table_spec(WEATHER)
    assert spec.description == "Weather at a station."
    assert not {"deprecated", "successor"} & spec.metadata.keys()
    assert {"fti/tag_air", "fti/tag_hourly"} <= spec.tags.keys()
    assert "fti/deprecated" not in spec.tags
