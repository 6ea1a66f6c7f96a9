"""Definitions as data: an equal definition comes back, and what is not understood is refused."""

import json
import pkgutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets import systems
from fti_assets.errors import DefinitionError, NotFoundError
from fti_assets.feature_store.catalogue.definitions import as_data, from_data
from fti_assets.vocabulary import (
    Column,
    Contract,
    Daily,
    Deprecation,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Model,
    Monitor,
    Predictions,
    StagedTable,
    TimeSplit,
    TrainingDataset,
    aggregate,
    expect,
)
from fti_assets_tests.cli.shop import contracts as shop
from fti_assets_tests.feature_store.examples import OUTCOMES, TRIPS, make_group

KINDS = (FeatureGroup, FeatureView, TrainingDataset, StagedTable, Model, Predictions, Monitor)
MODULES = [one.name for one in pkgutil.walk_packages(systems.__path__, "fti_assets.systems.")]
CONTRACTS = [import_module(name) for name in MODULES if name.endswith((".contracts", ".staged"))]
DEFINED = {
    f"{module.__name__.split('.')[-2]}.{name}": value
    for module in (*CONTRACTS, shop)
    for name, value in vars(module).items()
    if isinstance(value, KINDS)
}
WEATHER = make_group(features=("temp", Feature("wind", "int", 'Wind; it\'s "gusty" → ütf.', unit="m/s")))
LINES = make_group("lines", ("length",), entity=Entity("line", ("line",)), static=True)
OLD = replace(
    make_group("old", ("rain",), contract=Contract(owner="a@b.example", fresh_within=timedelta(hours=1, microseconds=1))),
    tags=("air", "hourly"),
    deprecated=Deprecation("It counted rain twice.", "weather_v1"),
    online=True,
)
ROLES = FeatureView(
    name="roles",
    version=3,
    spine=TRIPS,
    at="asked_at",
    features=(
        TRIPS["distance"],
        WEATHER["temp"].prefixed("here_"),
        WEATHER["temp", "wind"].on(station="line").prefixed("there_"),
        LINES["length"].on(line=TRIPS["line"]),
        WEATHER.windowed(
            aggregate.mean("temp", last=timedelta(days=7)), aggregate.percentile("wind", 0.95, last=timedelta(hours=1))
        ),
        OLD.all_features,
    ),
    label=OUTCOMES["late"],
)


def stored(definition):
    """What comes back from a file."""
    return from_data(json.loads(json.dumps(as_data(definition))))


@pytest.mark.parametrize("name", DEFINED)
def test_what_the_systems_define_comes_back(name):
    found = stored(DEFINED[name])
    assert found == DEFINED[name]
    assert type(found) is type(DEFINED[name])


def test_all_systems_are_among_them():
    assert {name.split(".")[2] for name in MODULES if name.count(".") > 2} | {"shop"} == {name.split(".")[0] for name in DEFINED}


def test_roles_windows_and_deprecation_come_back():
    found = stored(ROLES)
    assert found == ROLES
    assert found.feature_names == (
        "distance",
        "here_temp",
        "there_temp",
        "there_wind",
        "length",
        "temp_mean_7d",
        "wind_percentile95_1h",
        "rain",
    )
    assert [type(selection) for selection in found.features] == [type(selection) for selection in ROLES.features]
    assert (found.features[-1].group.deprecated.successor, found.features[-1].group.tags) == ("weather_v1", ("air", "hourly"))
    assert found.spine.table == TRIPS.table  # which is not stored, but made again


names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
columns = st.builds(
    Feature,
    names,
    st.sampled_from(["float", "int", "bool", "string", "date"]),
    st.text(max_size=20),
    st.none() | st.text(max_size=5),
)
spans = st.timedeltas(timedelta(microseconds=1), timedelta(days=900))
bounds = st.integers() | st.floats(allow_nan=False) | st.booleans()
promises = st.builds(
    lambda name, kind, values, mostly, severity: replace(
        expect.one_of(name, tuple(values), name=f"{name}_x", mostly=mostly, severity=severity), arguments=((kind, tuple(values)),)
    ),
    names,
    names,
    st.lists(bounds | st.text(max_size=9), max_size=3),
    st.floats(0, 1, exclude_min=True),
    st.sampled_from(["critical", "warning"]),
)


@st.composite
def groups(draw):
    """Feature groups of any shape."""
    features = draw(st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name))
    time = draw(st.booleans())
    promise = draw(st.none() | promises)
    known = f"{'z' * 30}_at", f"{'z' * 30}_key"
    return FeatureGroup(
        name=draw(names),
        version=draw(st.integers(1, 99)),
        entity=Entity(draw(names), (Column(known[1], draw(st.sampled_from(["int", "string", "timestamp"]))),)),
        features=tuple(features),
        event_time=known[0] if time else None,
        cadence=Daily(start="2024-01-01", end=draw(st.sampled_from([None, "2025-01-01"])), timezone="Europe/Paris")
        if time
        else None,
        ttl=draw(st.none() | spans) if time else None,
        description=draw(st.text(max_size=30)),
        tags=tuple(draw(st.lists(names, max_size=2))),
        deprecated=draw(st.none() | st.builds(Deprecation, st.text(min_size=1, max_size=9).filter(str.strip), st.none() | names)),
        contract=Contract(
            owner="team:x",
            fresh_within=draw(st.none() | spans),
            expectations=(replace(promise, columns=(features[0].name,)),) if promise else (),
        ),
    )


@given(groups())
@settings(max_examples=200, deadline=None)
def test_any_feature_group_comes_back(group):
    assert stored(group) == group


def changed(path, value):
    """What is stored of a view, with something else at a path."""
    data = as_data(ROLES)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        pytest.param(
            changed(["features", 1, "group", "half_life"], 2),
            DefinitionError,
            r"says features\.1\.group\.half_life, which is not",
            id="unknown_field",
        ),
        pytest.param(
            changed(["spine", "features", 0, "type"], "decimal"),
            DefinitionError,
            r"spine\.features\.0\.type: Input",
            id="unknown_type",
        ),
        pytest.param(changed(["spine", "version"], "1"), DefinitionError, "cannot be read: spine.version", id="text_for_a_number"),
        pytest.param(changed(["version"], 0), DefinitionError, "has version 0; the first is 1", id="contradiction"),
        pytest.param(changed(["at"], "aked_at"), NotFoundError, "Did you mean 'asked_at'", id="no_such_column"),
        pytest.param(changed(["kind"], "FeatureVeiw"), NotFoundError, "Did you mean 'FeatureView'", id="unknown_kind"),
        pytest.param({}, NotFoundError, "Kind 'nothing' is not in what a stored definition can be", id="empty"),
    ],
)
def test_what_is_not_understood_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        from_data(data)


def test_fields_that_came_later_have_their_default():
    data = as_data(OLD)
    del data["tags"], data["deprecated"]
    assert from_data(data) == replace(OLD, tags=(), deprecated=None)


def test_a_dataset_carries_its_split():
    dataset = TrainingDataset(name="x", view=ROLES, split=TimeSplit(validation_days=2, test_days=3), owner="team:x")
    assert stored(dataset) == dataset


def test_the_codec_is_loaded_when_it_is_needed():
    code = "import sys, fti_assets.feature_store; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
