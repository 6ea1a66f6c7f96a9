"""Online tables as assets, and the check that they hold what the lake does."""

from dataclasses import replace

import dagster as dg
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.online_store import OnlineStore
from fti_assets.pipelines import online_table
from fti_assets.vocabulary import aggregate
from fti_assets_tests.conftest import reasons
from fti_assets_tests.feature_store.examples import DAY, HOUR, MINUTE, T0, TRIPS, YEAR, rows_of
from fti_assets_tests.monitoring.logged import VIEW, WEATHER

weather = online_table(WEATHER)
WINDOWED = replace(
    VIEW,
    features=(WEATHER.windowed(aggregate.mean("temp", last=3 * HOUR), aggregate.count(last=3 * HOUR)),),
)
windows = online_table(WEATHER, views=(WINDOWED,))


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as shared:
        yield shared


@pytest.fixture
def house(make_house, instance):
    made = make_house(instance)
    publish(made, ("a", T0 - DAY, 1.0), ("a", T0, 20.5), ("b", T0 - HOUR, 7.0))
    made.store.publish(TRIPS, rows_of(TRIPS, *((n, T0, "a", "east", 10.0) for n in range(1, 4))), YEAR)
    return made


def publish(house, *rows):
    """Rows of station, time and temperature."""
    house.store.publish(WEATHER, rows_of(WEATHER, *((station, at, temp, False, 3, "west") for station, at, temp in rows)), YEAR)


def brought(house, pipeline=weather, **config):
    """What the asset says."""
    (asset,) = pipeline.assets()
    result = dg.materialize(
        [asset],
        instance=house.instance,
        resources=house.resources,
        run_config={"ops": {asset.op.name: {"config": config}}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    assert reasons(result) == []
    (event,) = result.asset_materializations_for_node(asset.op.name)
    return {name: value.value for name, value in event.metadata.items()}


def checked(house, pipeline=weather):
    """What the check says, run by itself."""
    result = house.materialize([*pipeline.assets(), *pipeline.checks()], selection=dg.AssetSelection.checks(*pipeline.checks()))
    assert reasons(result) == []
    (check,) = result.get_asset_check_evaluations()
    return check, {name: value.value for name, value in check.metadata.items()}


def online(house):
    return OnlineStore(house.root / "online")


def test_the_first_time_all_is_loaded_then_what_has_changed(house):
    first = brought(house)
    nothing = brought(house)
    publish(house, ("a", T0 - DAY, 1.0), ("a", T0 + HOUR, 30.0), ("b", T0 - HOUR, 7.0))
    second = brought(house)

    assert {name: first[name] for name in ("kind", "rows_written", "entities", "newest_event", "dagster/row_count")} == {
        "kind": "full",
        "rows_written": 2,
        "entities": 2,
        "newest_event": "2024-01-10 12:00:00+00:00",
        "dagster/row_count": 2,
    }
    assert first["size_mb"] >= 0
    assert (nothing["kind"], nothing["rows_read"]) == ("unchanged", 0)
    assert (second["kind"], second["rows_written"], second["newest_event"]) == ("incremental", 1, "2024-01-10 13:00:00+00:00")
    assert second["snapshot"] > first["snapshot"]


def test_in_full_on_request_and_as_of_a_time_of_history(house):
    brought(house)

    full = brought(house, full=True)
    then = brought(house, until="2024-01-10T11:30:00")

    assert (full["kind"], full["generation"]) == ("full", 2)
    assert (then["until"], then["newest_event"]) == ("2024-01-10 11:30:00+00:00", "2024-01-10 11:00:00+00:00")
    with online(house) as store:
        assert store.table(WEATHER).until == T0 - HOUR / 2


@pytest.mark.parametrize(
    ("pipeline", "config", "reason"),
    [
        pytest.param(weather, {"until": "noon"}, "until is 'noon', which is no time.", id="no_time"),
        pytest.param(online_table(replace(WEATHER, name="rain")), {}, "'features.rain_v1' was never published.", id="unpublished"),
    ],
)
def test_what_cannot_be_brought_online_is_told_plainly(house, pipeline, config, reason):
    (asset,) = pipeline.assets()
    result = dg.materialize(
        [asset],
        instance=house.instance,
        resources=house.resources,
        run_config={"ops": {asset.op.name: {"config": config}}, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )

    (said,) = reasons(result)
    assert said.startswith(reason)


def test_a_group_that_is_not_online_has_no_table():
    with pytest.raises(DefinitionError, match=r"'trips_v1' is not online\. Say so in its contract: online=True\."):
        online_table(TRIPS)


def test_what_was_brought_online_passes_the_check(house):
    brought(house)

    check, said = checked(house)

    assert (check.check_name, check.passed, check.blocking) == ("online_equals_offline", True, False)
    assert (said["entities"], said["differing_entities"], said["as_of"]) == (2, 0, "2024-01-10 12:00:00+00:00")
    assert "differences" not in said


def test_a_table_altered_by_hand_fails_the_check_with_both_values(house):
    brought(house)
    of_hand = rows_of(WEATHER, ("a", T0 + MINUTE, 99.0, False, 3, "west"))
    with online(house) as store:  # as if it had been published together with the others
        published = store.table(WEATHER).published_until
        store.update(WEATHER, of_hand.append_column("_published_at", pa.array([published], of_hand["at"].type)))

    check, said = checked(house)

    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.description == "Values that differ: 2, of entities: 1."
    assert said["differences"].splitlines()[2:] == [
        "| station a | temp | 99.0 | 20.5 |",
        "| station a | at | 2024-01-10 12:01:00+00:00 | 2024-01-10 12:00:00+00:00 |",
    ]


def test_a_table_that_was_left_behind_says_so(house):
    brought(house)
    publish(house, ("a", T0 + HOUR, 30.0), ("b", T0 - HOUR, 7.0))

    check, said = checked(house)

    assert check.passed  # it is what the lake was when it was made
    assert said["published_but_not_online"] == str(house.store.publications("features.weather_v1")[0].published_at)


def test_windows_are_loaded_and_checked(house):
    said = brought(house, windows)

    assert (said["kind"], said["events_added"], "entities" in said) == ("events", 3, False)
    check, compared = checked(house, windows)
    assert (check.passed, compared["entities"], compared["as_of"]) == (True, 3, "2024-01-10 12:00:00+00:00")


def test_events_altered_by_hand_fail_the_check(house):
    brought(house, windows)
    with online(house) as store:
        store.add_events(WEATHER, [{"station": "a", "at": T0 - HOUR, "temp": 0.0, "storm": False, "cloud": 3, "wind": "west"}])

    check, said = checked(house, windows)

    assert not check.passed
    assert "| trip 1 | count_3h | 2 | 1 |" in said["differences"]


def test_without_a_table_there_is_nothing_to_check(house):
    result = house.materialize([*weather.assets(), *weather.checks()], selection=dg.AssetSelection.checks(*weather.checks()))

    (reason,) = reasons(result)
    assert reason.startswith("Online table 'weather_v1' is not in ")
