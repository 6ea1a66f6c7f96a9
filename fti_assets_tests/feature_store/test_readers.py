"""Who reads a feature group, and how readers of a deprecated one are told."""

import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from fti_assets.feature_store import FeatureStore, LockedError, current_snapshot
from fti_assets.feature_store.catalogue import deprecation
from fti_assets.feature_store.catalogue.deprecation import DeprecatedFeatureGroupWarning
from fti_assets.feature_store.catalogue.readers import columns_read
from fti_assets.vocabulary import Deprecation, Entity, FeatureView, aggregate
from fti_assets_tests.feature_store.examples import (
    ARROW,
    DAYS,
    HOUR,
    OUTCOMES,
    T0,
    TRIPS,
    YEAR,
    make_dataset,
    make_group,
    make_view,
    rows_of,
)

WEATHER = make_group(features=("temp", "wind"))
LINES = make_group("lines", ("length", "age"), entity=Entity("line", ("line",)), static=True)
VIEW = make_view(WEATHER, own=("distance",))
OLD = replace(WEATHER, deprecated=Deprecation("The sensor moved.", "weather_v2"))


def snapshot(store):
    with store.connect() as connection:
        return current_snapshot(connection)


def test_columns_read_through_roles_nested_keys_and_windows():
    view = FeatureView(
        name="roles",
        version=1,
        spine=TRIPS,
        at="asked_at",
        features=(
            TRIPS["distance"],
            WEATHER["temp"].prefixed("here_"),
            WEATHER["temp", "wind"].on(station="line").prefixed("there_"),
            LINES["length"].on(line=TRIPS["line"]),
            OUTCOMES.windowed(aggregate.count(last=timedelta(days=7))),
        ),
        label=OUTCOMES["late"],
    )
    read = {
        "features.trips_v1": ["distance", "line"],
        "features.weather_v1": ["temp", "wind"],
        "features.lines_v1": ["length"],
        "features.outcomes_v1": ["late"],
    }
    assert columns_read(view, label=True) == read
    assert columns_read(view, label=False) == read | {"features.outcomes_v1": []}


def test_a_reader_is_registered_once(store):
    assert store.readers() == []
    assert store.register_reader("predictions", "delay", VIEW)
    before = snapshot(store)
    assert not store.register_reader("predictions", "delay", VIEW)
    assert snapshot(store) == before  # nothing was written
    (reader,) = store.readers("features.weather_v1")
    assert (reader.kind, reader.name, reader.view, reader.version) == ("predictions", "delay", "delay", 1)
    assert reader.reads == {"features.trips_v1": ("distance",), "features.weather_v1": ("temp", "wind")}
    assert reader.defined == VIEW
    assert store.readers("features.outcomes_v1") == []  # predictions do not read the label


def test_what_is_known_already_waits_for_no_writer(store):
    store.register_reader("predictions", "delay", VIEW)
    impatient = FeatureStore(store.root, lock_timeout=0.1)
    with store.lake.locked("publishing"):
        assert not impatient.register_reader("predictions", "delay", VIEW)
        with pytest.raises(LockedError, match="publishing"):
            impatient.register_reader("predictions", "other", VIEW)


def test_a_reader_is_known_by_what_it_read_last(store):
    store.register_reader("predictions", "delay", VIEW)
    store.register_reader("predictions", "delay", replace(VIEW, version=2, features=(TRIPS["distance"], LINES["age"])))
    store.register_reader("training_datasets", "delay", VIEW)
    assert [(reader.kind, reader.version) for reader in store.readers()] == [("training_datasets", 1), ("predictions", 2)]
    assert [reader.kind for reader in store.readers("features.weather_v1")] == ["training_datasets"]
    assert [reader.reads["features.lines_v1"] for reader in store.readers("features.lines_v1")] == [("age",)]
    assert store.register_reader("predictions", "delay", VIEW)  # back to what it was


def publish_all(store, weather=WEATHER):
    noons = [DAYS.midnight(date(2024, 1, n)) + 12 * HOUR for n in range(1, 6)]
    store.publish(TRIPS, rows_of(TRIPS, *((n, at, "a", "x", 1.0) for n, at in enumerate(noons))), YEAR)
    store.publish(OUTCOMES, rows_of(OUTCOMES, *((n, at + HOUR, True) for n, at in enumerate(noons))), YEAR)
    store.publish(weather, rows_of(weather, *(("a", at, 1.0, 2.0) for at in noons)), YEAR)


def cut(store, view=VIEW):
    return store.cut(make_dataset(view), date(2024, 1, 6), code_version="1")


def test_cutting_a_dataset_registers_its_view_and_cutting_it_again_changes_nothing(store):
    publish_all(store)
    assert cut(store) == cut(store)
    (reader,) = store.readers("features.outcomes_v1")
    assert (reader.kind, reader.name, reader.reads["features.outcomes_v1"]) == ("training_datasets", "delay", ("late",))


def test_readers_of_a_store_that_is_not_there(store):
    assert store.readers("features.weather_v1") == []
    assert not store.lake.root.exists()


@pytest.fixture
def untold(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(deprecation, "_TOLD", set())


SPINE = pa.table({"station": ["a"], "asked_at": pa.array([T0], ARROW["timestamp"])})


def joined(store, group):
    return store.get_features([group["temp"]], SPINE, at="asked_at").to_arrow()


@pytest.mark.parametrize("told_by", ["definition", "lake"])
def test_joining_a_deprecated_group_warns_once(store, untold, told_by):
    publish_all(store, OLD if told_by == "lake" else WEATHER)
    group = WEATHER if told_by == "lake" else OLD
    said = r"Feature group 'weather_v1' is deprecated: The sensor moved\. Read weather_v2 instead\."
    with pytest.warns(DeprecatedFeatureGroupWarning, match=said) as told:
        joined(store, group)
    assert Path(told[0].filename).name == Path(__file__).name  # the line of the reader, not one of ours
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined(store, group)


def test_cutting_a_dataset_from_a_deprecated_group_warns(store, untold):
    publish_all(store)
    with pytest.warns(DeprecatedFeatureGroupWarning, match="weather_v1"):
        cut(store, make_view(OLD))


def test_a_group_that_is_not_deprecated_is_joined_in_silence(store, untold):
    publish_all(store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert joined(store, WEATHER)["temp"].to_pylist() == [1.0]


def test_the_warning_is_shown_unless_somebody_asks_not_to():
    code = (
        "from fti_assets.feature_store.catalogue.deprecation import warn_of_deprecated\n"
        "from fti_assets_tests.feature_store.test_readers import OLD\n"
        "warn_of_deprecated([OLD])\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert "DeprecatedFeatureGroupWarning: Feature group 'weather_v1' is deprecated" in shown
    assert shown.count("deprecated:") == 1
