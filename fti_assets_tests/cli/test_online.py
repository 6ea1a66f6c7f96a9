"""`fti online`: on a small system of one's own, whose groups were published by hand."""

import json
import shutil
import sys
from datetime import timedelta
from importlib import import_module

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore
from fti_assets_tests.feature_store.examples import HOUR, T0, day, rows_of

CONTRACTS = """
from datetime import timedelta

from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, FeatureView, aggregate

DAYS = Daily(start="2024-01-01", end="2024-03-01")
PROMISE = Contract(owner="team:test")
STATION = Entity("station", ("station", Column("line", "int")))
WEATHER = FeatureGroup(
    name="weather", version=1, entity=STATION, event_time="known_at", cadence=DAYS, ttl=timedelta(hours=6), online=True,
    features=(Feature("temp", "float"), Feature("kind", "string")), contract=PROMISE,
)
ROADS = FeatureGroup(
    name="roads", version=1, entity=Entity("place", ("station",)), online=True,
    features=(Feature("lanes", "int"),), contract=PROMISE,
)
EVENTS = FeatureGroup(
    name="events", version=1, entity=Entity("event", (Column("event", "int"),)), event_time="known_at", cadence=DAYS, online=True,
    features=(Feature("station", "string"), Feature("delay", "float")), contract=PROMISE,
)
ASKED = FeatureGroup(
    name="asked", version=1, entity=Entity("trip", (Column("trip", "int"),)), event_time="asked_at", cadence=DAYS,
    features=(Feature("station", "string"), Feature("line", "int")), contract=PROMISE,
)
OUTCOMES = FeatureGroup(
    name="outcomes", version=1, entity=Entity("trip", (Column("trip", "int"),)), event_time="known_at", cadence=DAYS,
    features=(Feature("late", "bool"),), contract=PROMISE,
)
DELAYS = EVENTS.windowed(aggregate.mean("delay", last=timedelta(days=1)), by=("station",))
VIEW = FeatureView(
    name="delay", version=1, spine=ASKED, at="asked_at", label=OUTCOMES["late"],
    features=(WEATHER.all_features, ROADS["lanes"], DELAYS),
)
"""
TODAY = day("2024-01-10")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the contracts of a system `town`, and a lake with its published groups; not to be changed."""
    folder = tmp_path_factory.mktemp("town")
    (folder / "town").mkdir()
    (folder / "town" / "__init__.py").touch()
    (folder / "town" / "contracts.py").write_text(CONTRACTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        contracts = import_module("town.contracts")
    for name in ("town", "town.contracts"):
        sys.modules.pop(name)  # the command finds them by itself
    store, hour = FeatureStore(folder / "data"), HOUR
    weather = rows_of(contracts.WEATHER, ("a", 1, T0, 1.5, "snow"), ("b", 2, T0 - 8 * hour, 2.5, None))
    store.publish(contracts.WEATHER, weather, TODAY)
    store.publish(contracts.ROADS, rows_of(contracts.ROADS, ("a", 2)))
    store.publish(contracts.EVENTS, rows_of(contracts.EVENTS, (1, T0, "a", 5.0), (2, T0 - hour, "a", 7.0)), TODAY)
    store.publish(contracts.ASKED, rows_of(contracts.ASKED, (1, T0, "a", 1), (2, T0, "b", None)), TODAY)
    return folder, contracts


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of it, in which a command can run."""
    copy = shutil.copytree(made[0], tmp_path / "town")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield copy
    for name in [name for name in sys.modules if name.split(".")[0] == "town"]:
        sys.modules.pop(name)


@pytest.fixture
def contracts(made):
    return made[1]


@pytest.fixture
def call(fti, folder):
    """Runs `fti online`; gives what it printed."""

    def run(*arguments, code=0):
        found = fti(folder, "online", *arguments)
        assert found.exit_code == code, found.output
        return found.output

    return run


def test_a_system_is_loaded_listed_and_checked(call):
    said = call("load", "town")
    assert "weather_v1  full" in said
    assert "events_v1   events" in said
    assert "3 groups from snapshot" in said
    listed = call("list")
    assert "weather_v1" in listed
    assert "roads_v1" in listed
    assert "static" in listed
    assert "Events of events_v1 are kept by station, for windows of up to 1 day, 0:00:00." in listed
    checked = call("check", "town", "--at", "2024-01-10T13:00")
    assert "delay_v1" in checked
    assert "Online is what the point-in-time join gives" in checked


def test_loading_again_brings_what_is_new(contracts, call, folder):
    call("load", "town")
    weather = contracts.WEATHER
    FeatureStore(folder / "data").publish(weather, rows_of(weather, ("a", 1, T0 + 24 * HOUR, 3.5, None)), day("2024-01-11"))
    assert "weather_v1  incremental" in call("load", "weather")
    assert "weather_v1  unchanged" in call("load", "weather_v1")
    assert "weather_v1  full" in call("load", "weather", "--full")
    (made,) = json.loads(call("load", "weather", "--until", "2024-01-10T12:00", "--json"))
    assert (made["kind"], made["entities"], made["until"]) == ("full", 2, "2024-01-10 12:00:00+00:00")
    assert "A replay of history: weather_v1 until 2024-01-10 12:00." in call("list")


def test_one_entity(call):
    call("load", "town")
    said = call("get", "weather", "station=a", "line=1", "--at", "2024-01-10T13:30")
    assert "weather_v1: station=a, line=1" in said
    assert "known since  2024-01-10 12:00:00 UTC" in said
    assert "90 minutes" in said
    assert "counts" in said
    assert "snow" in said
    assert "expired: older than its ttl" in call("get", "weather_v1", "line=2", "station=b", "--at", "2024-01-10T13:30")
    assert "not known yet" in call("get", "weather", "line=1", "station=a", "--at", "2024-01-10T11:59")
    assert "ever: the group is static" in call("get", "roads", "station=a")
    found = json.loads(call("get", "weather", "station=a", "line=1", "--at", "2024-01-10T13:30", "--json"))
    assert found["features"] == {"temp": 1.5, "kind": "snow"}
    assert (found["status"], found["entity"]) == ("found", {"station": "a", "line": 1})


def test_what_differs_is_shown_with_both_values(contracts, call, folder):
    call("load", "town")
    with OnlineStore(folder / "data" / "online") as online:
        table = online.table("roads_v1")
        rows = rows_of(contracts.ROADS, ("a", 3)).append_column("_published_at", [[table.published_until - timedelta(days=1)]])
        online.replace(contracts.ROADS, rows, snapshot=table.snapshot, published_until=table.published_until)
    said = call("check", "town", code=1)
    assert "roads_v1: 1 value that differ" in said
    assert "lanes of station=a: online 3, offline 2" in said
    found = {one["of"]: one for one in json.loads(call("check", "town", "--json", code=1))}
    assert found["roads_v1"]["differing"] == [{"entity": {"station": "a"}, "feature": "lanes", "online": 3, "offline": 2}]
    assert found["weather_v1"]["differing"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["load", "twon"], "System or online group 'twon' is not in the contracts", id="name"),
        pytest.param(["load", "asked"], "'asked' is not in the contracts", id="not_online"),
        pytest.param(["load", "weather", "--until", "yesterday"], "--until 'yesterday' is no time.", id="time"),
        pytest.param(["check", "twon"], "System 'twon' is not in", id="system"),
        pytest.param(["get", "wether", "station=a"], "Did you mean 'weather'?", id="table"),
        pytest.param(["get", "weather_v2", "station=a"], "Online table 'weather_v2' is not in", id="version"),
        pytest.param(["get", "weather", "station=a"], "is told by station, line. Add line=...", id="part_of_a_key"),
        pytest.param(["get", "weather", "station"], "'station' is no key=value. Write station=... line=...", id="no_value"),
        pytest.param(["get", "weather", "staton=a"], "Did you mean 'station'?", id="key"),
        pytest.param(["get", "weather", "station=a", "line=one"], "line='one' is no int.", id="type"),
        pytest.param(["get", "weather", "station=z", "line=1"], "Entity 'station=z, line=1' is not in weather_v1", id="entity"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(call, arguments, message):
    call("load", "weather")
    assert message in call(*arguments, code=1).replace("\n", " ")


def test_where_nothing_was_loaded_and_nothing_published(call, folder):
    shutil.rmtree(folder / "data")
    assert "There is nothing in the online store" in call("list")
    assert "There is no lake" in call("load", "flights", code=1)
    assert "`fti online load town` loads it" in call("check", "town")
    assert "Load it: fti online load weather" in call("get", "weather", "a=b", code=1)
    assert not (folder / "data").exists()
