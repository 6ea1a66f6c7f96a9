"""Contracts: registered with what is published, compared by a pure function, and kept."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import Change, IncompatibleContractError, compare_contracts, describe
from fti_assets.vocabulary import Column, Contract, Daily, Deprecation, Entity, Feature, FeatureGroup, StagedTable, expect
from fti_assets_tests.feature_store.examples import DAYS, HOUR, PROMISE, T0, YEAR, make_group, read_all, rows_of

TEMP, WIND = Feature("temp", "float", "Air temperature.", unit="°F"), Feature("wind", "float", unit="mph")
WEATHER = FeatureGroup(
    name="weather",
    version=1,
    description="Hourly weather.",
    entity=Entity("station", ("station",)),
    event_time="at",
    cadence=DAYS,
    ttl=6 * HOUR,
    features=(TEMP, WIND),
    contract=Contract(owner="team:test", expectations=(expect.between("temp", 0, 40),), fresh_within=timedelta(days=2)),
    tags=("hourly",),
)
SNOW = Feature("snow", "bool")
DEPARTED = Feature("departed", "timestamp")
OTHER_KEY = Entity("station", (Column("station", "string"), Column("line", "string")))


def changes(new, old=WEATHER):
    """The differences in words, those that break readers marked so."""
    found = compare_contracts(json.loads(json.dumps(describe(old))), json.loads(json.dumps(describe(new))))
    return [f"{'' if change.compatible else 'BREAKS '}{change}" for change in found]


def test_the_same_contract_has_no_changes():
    assert changes(WEATHER) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"features": (TEMP, WIND, SNOW)}, ["column 'snow': added (bool)"], id="feature_added"),
        pytest.param(
            {"features": (WIND, replace(TEMP, description="Warmth."))},
            ["description of 'temp': Air temperature. -> Warmth."],
            id="column_described_and_order_changed",
        ),
        pytest.param({"description": ""}, ["description: removed (Hourly weather.)"], id="description"),
        pytest.param({"tags": ("hourly", "air")}, ["tags: ['hourly'] -> ['hourly', 'air']"], id="tags"),
        pytest.param({"online": True}, ["online: False -> True"], id="online"),
        pytest.param(
            {"deprecated": Deprecation("Sensors moved.", successor="weather_v2")},
            ["deprecated: added ({'reason': 'Sensors moved.', 'successor': 'weather_v2'})"],
            id="deprecated",
        ),
        pytest.param(
            {"contract": Contract(owner="team:air", expectations=(expect.between("temp", -9, 40), expect.not_null("wind")))},
            [
                "owner: team:test -> team:air",
                "fresh within: removed (2 days, 0:00:00)",
                "expectation 'temp_in_range': temp is from 0 to 40 (critical) -> temp is from -9 to 40 (critical)",
                "expectation 'wind_not_null': added (wind is not null (critical))",
            ],
            id="owner_freshness_and_expectations",
        ),
        pytest.param(
            {"cadence": Daily(start="2023-01-01")},
            ["start of the calendar: 2024-01-01 -> 2023-01-01", "end of the calendar: 2024-03-01 -> open"],
            id="calendar_extended",
        ),
    ],
)
def test_what_readers_can_go_on_with(changed, expected):
    assert changes(replace(WEATHER, **changed)) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"features": (TEMP,)}, ["BREAKS column 'wind': removed (float, mph)"], id="feature_removed"),
        pytest.param({"features": (replace(TEMP, type="int"), WIND)}, ["BREAKS type of 'temp': float -> int"], id="type"),
        pytest.param({"features": (replace(TEMP, unit="°C"), WIND)}, ["BREAKS unit of 'temp': °F -> °C"], id="unit"),
        pytest.param({"features": (replace(TEMP, unit=None), WIND)}, ["BREAKS unit of 'temp': removed (°F)"], id="unit_removed"),
        pytest.param({"ttl": 12 * HOUR}, ["BREAKS ttl: 6:00:00 -> 12:00:00"], id="ttl"),
        pytest.param({"ttl": 6 * HOUR + timedelta(microseconds=1)}, ["BREAKS ttl: 6:00:00 -> 6:00:00.000001"], id="ttl_exactly"),
        pytest.param({"ttl": None}, ["BREAKS ttl: removed (6:00:00)"], id="ttl_removed"),
        pytest.param(
            {"cadence": replace(DAYS, timezone="Europe/Paris")},
            ["BREAKS time zone of the calendar: UTC -> Europe/Paris"],
            id="zone",
        ),
        pytest.param(
            {"cadence": Daily(start="2024-02-01", end="2024-02-20")},
            [
                "BREAKS start of the calendar: 2024-01-01 -> 2024-02-01",
                "BREAKS end of the calendar: 2024-03-01 -> 2024-02-20",
            ],
            id="calendar_shortened",
        ),
        pytest.param(
            {"entity": Entity("airport", ("station",))}, ["BREAKS entity: station -> airport"], id="entity_of_another_meaning"
        ),
        pytest.param(
            {"entity": OTHER_KEY},
            [
                "BREAKS entity keys: station -> station, line",
                "BREAKS key: station, at -> station, line, at",
                "column 'line': added (string)",
            ],
            id="key",
        ),
        pytest.param(
            {"event_time": "known_at"},
            [
                "BREAKS key: station, at -> station, known_at",
                "BREAKS event time: at -> known_at",
                "BREAKS window time: at -> known_at",
                "BREAKS column 'at': removed (timestamp)",
                "column 'known_at': added (timestamp)",
            ],
            id="event_time",
        ),
        pytest.param(
            {"window_time": "departed"},
            ["BREAKS window time: at -> departed", "column 'departed': added (timestamp)"],
            id="window_time",
        ),
        pytest.param(
            {"event_time": None, "cadence": None, "ttl": None},
            [
                "BREAKS key: station, at -> station",
                "BREAKS event time: removed (at)",
                "BREAKS window time: removed (at)",
                "BREAKS ttl: removed (6:00:00)",
                "BREAKS column 'at': removed (timestamp)",
            ],
            id="made_static",
        ),
    ],
)
def test_what_readers_cannot_go_on_with(changed, expected):
    assert changes(replace(WEATHER, **changed)) == expected


def test_a_feature_that_becomes_a_mere_time_is_removed():
    before = replace(WEATHER, features=(TEMP, DEPARTED), window_time="departed")
    assert changes(replace(before, features=(TEMP,)), before) == [
        "BREAKS feature 'departed': removed (timestamp)",
        "description of 'departed': added (Decides the partition of the row.)",
    ]


def test_a_contract_from_before_something_was_said_is_no_contradiction():
    old = describe(WEATHER)
    for name in ("entity_keys", "ttl_microseconds", "cadence", "event_time", "online"):
        del old[name]
    assert [str(change) for change in compare_contracts(old, describe(WEATHER)) if not change.compatible] == []


# in the lake


def publish(store, group, value=1.0):
    row = tuple({"station": "a", "at": T0}.get(column.name, value) for column in group.table.columns)
    return store.publish(group, rows_of(group, row), YEAR, run=f"run of {value}")


def test_the_first_publication_registers_the_contract(store):
    published = publish(store, WEATHER)
    publish(store, WEATHER, 2.0)
    (registered,) = store.contracts("features", "weather_v1")
    assert (registered.revision, registered.changes, registered.snapshot) == (1, (), published.snapshot)
    assert (registered.table, registered.run) == ("features.weather_v1", "run of 1.0")
    assert registered.contract == store.contract("features", "weather_v1") == describe(WEATHER)
    assert store.table("features", "weather_v1").description == describe(WEATHER)


def test_a_compatible_change_is_recorded_with_its_difference(store):
    publish(store, WEATHER)
    grown = replace(WEATHER, features=(TEMP, WIND, Feature("rain", "float")), description="Weather.")
    published = publish(store, grown, 2.0)
    first, second = store.contracts("features", "weather_v1")
    assert first.recorded_at < second.recorded_at
    assert (second.revision, second.snapshot, second.run) == (2, published.snapshot, "run of 2.0")
    assert second.changes == (
        Change("column 'rain'", None, "float", compatible=True),
        Change("description", "Hourly weather.", "Weather.", compatible=True),
    )
    assert store.contract("features", "weather_v1", 1) == describe(WEATHER)
    assert store.contract("features", "weather_v1") == store.table("features", "weather_v1").description == describe(grown)


def test_an_incompatible_change_is_refused_and_changes_nothing(store):
    publish(store, WEATHER)
    changed = replace(WEATHER, features=(replace(TEMP, unit="°C"),), description="In the other unit.")
    with store.connect() as connection:
        snapshot = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
    message = (
        r"'features\.weather_v1' is published under another contract: unit of 'temp': °F -> °C; column 'wind': removed"
        r" \(float, mph\)\. Nothing was changed\. Give the changed one version=2: it will stand beside this one"
    )
    with pytest.raises(IncompatibleContractError, match=message) as caught:
        publish(store, changed, 9.0)
    assert [change.what for change in caught.value.changes] == ["unit of 'temp'", "column 'wind'"]
    with store.connect() as connection:
        assert connection.execute("SELECT id FROM lake.current_snapshot()").fetchone() == snapshot
    assert read_all(store, WEATHER.table) == [("a", T0, 1.0, 1.0)]
    assert len(store.contracts("features", "weather_v1")) == len(store.publications("features.weather_v1")) == 1


def test_an_upsert_is_held_to_the_contract_too(store):
    publish(store, WEATHER)
    changed = replace(WEATHER, ttl=None)
    with pytest.raises(IncompatibleContractError, match="ttl: removed"):
        store.upsert(changed, rows_of(changed, ("a", T0, 1.0, 1.0)))
    grown = replace(WEATHER, features=(TEMP, WIND, Feature("rain", "float")))
    store.upsert(grown, rows_of(grown, ("a", T0, 1.0, 1.0, 3.0)))
    assert [one.revision for one in store.contracts("features", "weather_v1")] == [1, 2]


def test_versions_live_side_by_side(store):
    publish(store, WEATHER)
    second = replace(WEATHER, version=2, features=(replace(TEMP, unit="°C"),))
    publish(store, second, 20.0)
    publish(store, WEATHER, 2.0)
    assert read_all(store, WEATHER.table) == [("a", T0, 2.0, 2.0)]
    assert read_all(store, second.table) == [("a", T0, 20.0)]
    assert [info.name for info in store.tables("features")] == ["weather_v1", "weather_v2"]
    assert [store.contract("features", name)["version"] for name in ("weather_v1", "weather_v2")] == [1, 2]


def test_a_table_without_versions_is_told_another_way_out(store):
    staged = StagedTable(name="readings", columns=(Column("n", "int"),), key=("n",), contract=PROMISE)
    changed = replace(staged, columns=(Column("n", "string"),))
    store.publish(staged, rows_of(staged, (1,)))
    wanted = r"type of 'n': int -> string.*Give the changed one another name or version"
    with pytest.raises(IncompatibleContractError, match=wanted):
        store.publish(changed, rows_of(changed, ("one",)))


def test_a_history_whose_columns_change_is_refused(store):
    history = make_group("log", static=True).table
    table = replace(history, schema="validation", keeps_superseded=False)
    changed = replace(table, columns=(table.columns[0], Feature("temp", "string")))
    with store.connect() as connection:
        rows = rows_of(make_group("log", static=True), ("a", 1.0))
        store.append(connection, table, rows, description="A log.")
        with pytest.raises(IncompatibleContractError, match="type of 'temp': DOUBLE -> VARCHAR"):
            store.append(connection, changed, rows.set_column(1, "temp", rows["temp"].cast("string")), description="A log.")


def test_a_contract_that_is_not_there(store):
    publish(store, WEATHER)
    with pytest.raises(
        NotFoundError, match=r"Contract '7 of features\.weather_v1' is not there.*It has: 1 of features\.weather_v1"
    ):
        store.contract("features", "weather_v1", 7)
    with pytest.raises(NotFoundError, match=r"Contract 'of features\.wether_v1' is not there"):
        store.contract("features", "wether_v1")
