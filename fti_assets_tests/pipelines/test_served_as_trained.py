"""Skew that is planted in a real online store is found: from the lake to the online table, to what is read and logged, and back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from shutil import copytree

import dagster as dg
import pytest

from fti_assets.online_store import OnlineStore
from fti_assets.pipelines import inference_log, online_table, skew_monitoring
from fti_assets.vocabulary import FLOAT_TOLERANCE, Feature, InferenceLog, SkewMonitor, aggregate
from fti_assets.vocabulary.on_demand import REQUEST_TIME, on_demand
from fti_assets_tests.conftest import reasons
from fti_assets_tests.feature_store.examples import HOUR, MINUTE, PROMISE, T0, TRIPS, YEAR, rows_of
from fti_assets_tests.monitoring.logged import VIEW, WEATHER, make_model, said, write_segment

ASKED = T0 + 30 * MINUTE


@on_demand(Feature("chill", "float"), reads=("temp", "distance", REQUEST_TIME))
def chill(temp, distance, request_time):
    return temp - distance / 3 + request_time.astype("int64") % 1_000_003 / 7


ONLINE_TRIPS = replace(TRIPS, online=True)
STORM = replace(WEATHER, name="storms", features=(Feature("gust", "float"),))
SERVED = replace(
    VIEW,
    spine=ONLINE_TRIPS,
    features=(
        ONLINE_TRIPS["distance"],
        WEATHER.all_features,
        STORM.windowed(aggregate.mean("gust", last=3 * HOUR), aggregate.count(last=3 * HOUR)),
    ),
    on_demand=(chill,),
)
LOG = InferenceLog(model=make_model(SERVED), contract=PROMISE)
tables = [online_table(ONLINE_TRIPS), online_table(WEATHER), online_table(STORM, views=(SERVED,))]
log, skew = inference_log(LOG), skew_monitoring(SkewMonitor(log=LOG, contract=PROMISE, lag=timedelta()))


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as shared:
        yield shared


@pytest.fixture(scope="module")
def brought_online(make_house, instance):
    """Everything published, and brought online; to be copied."""
    made = make_house(instance)
    made.store.publish(ONLINE_TRIPS, rows_of(ONLINE_TRIPS, *((n, T0, "ab"[n % 2], "east", n / 3) for n in range(1, 9))), YEAR)
    publish(made, ("a", T0 - HOUR, 20.1), ("b", T0 - HOUR, 7.0))
    gusts = [(station, T0 - n * HOUR, 0.1 + n) for station in "ab" for n in range(5)]
    made.store.publish(STORM, rows_of(STORM, *gusts), YEAR)
    bring(made)
    return made


@pytest.fixture
def house(brought_online, make_house, instance):
    copy = make_house(instance)
    copytree(brought_online.root, copy.root, dirs_exist_ok=True)
    return copy


def publish(house, *rows):
    house.store.publish(WEATHER, rows_of(WEATHER, *((*row, False, 3, "west") for row in rows)), YEAR)


def bring(house):
    assert reasons(house.materialize([asset for table in tables for asset in table.assets()])) == []


def ask(house, *requests, at=ASKED):
    """Reads online what a server would, and logs it."""
    now = datetime.now(UTC).isoformat()
    with OnlineStore(house.root / "online") as store:
        found = store.get_online_features(SERVED, list(requests), at=at)
    lines = [
        said(
            n,
            request_id=f"{now} {n}",
            logged_at=now,
            request_time=at.isoformat(),
            keys={name: value for name, value in request.items() if name not in SERVED.feature_names},
            given=list(request),
            features=features,
            missing=list(missing),
        )
        for n, (request, features, missing) in enumerate(zip(requests, found.to_dicts(), found.missing(), strict=True))
    ]
    write_segment(house.root / "inference_log" / "delay", "a-000001.ndjson", *lines)
    return found.to_dicts()


def found(house):
    """What the assets say: the number of rows compared, and differing features with their rows."""
    result = house.materialize([*log.assets(), *skew.assets()])
    assert reasons(result) == []
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "served_as_trained"]
    (event,) = result.asset_materializations_for_node("monitoring__delay_skew")
    with house.store.connect() as connection:
        rows = house.store.read(connection, skew.monitor.table).filter("differing > 0").select("feature, differing").fetchall()
    return event.metadata["rows"].value, dict(rows), check.passed


TRIPS_ASKED = [{"trip": n} for n in range(1, 9)]


def test_what_is_read_online_is_what_training_sees(house):
    served = ask(house, *TRIPS_ASKED, {"trip": 99, "station": "b", "distance": 5.0}, {"trip": 98}, {"trip": 1, "temp": -40.0})

    assert served[1]["temp"] == 20.1
    assert served[8]["temp"] == 7.0
    assert served[9]["temp"] is None
    assert [one["count_3h"] for one in served] == [*[3] * 9, None, 3]
    assert found(house) == (11, {}, True)


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(T0 - 2 * HOUR, id="before_the_newest_event"),
        pytest.param(T0 - HOUR, id="at_the_newest_weather"),
        pytest.param(T0 + 5 * HOUR, id="when_the_weather_expires"),
        pytest.param(T0 + 5 * HOUR + timedelta(microseconds=1), id="just_after"),
    ],
)
def test_it_is_at_other_times_too(house, at):
    ask(house, *TRIPS_ASKED, at=at)

    assert found(house) == (8, {}, True)


def test_for_a_moment_before_its_newest_row_an_online_table_has_nothing_where_the_lake_does(house):
    """So a replay of history needs tables as of that time: `until`."""
    publish(house, ("a", T0 - HOUR, 20.1), ("b", T0 - HOUR, 7.0), ("a", T0 - 3 * HOUR, 1.0))
    bring(house)
    ask(house, {"trip": 2, "station": "a"}, at=T0 - 2 * HOUR)

    rows, differing, passed = found(house)

    assert (rows, passed) == (1, False)
    assert {"temp", "storm", "cloud", "wind"} <= {*differing}


def test_a_table_altered_by_hand_is_found(house):
    with OnlineStore(house.root / "online") as store:
        store.update(WEATHER, rows_of(WEATHER, ("a", T0, 99.0, False, 3, "west")))
    ask(house, *TRIPS_ASKED)

    assert found(house) == (8, {"temp": 4, "chill": 4}, False)


def test_a_stale_table_is_found(house):
    publish(house, ("a", T0 - HOUR, 20.1), ("b", T0 - HOUR, 7.0), ("b", T0, 8.0))
    ask(house, *TRIPS_ASKED)
    stale = found(house)

    assert stale == (8, {"temp": 4, "chill": 4}, False)


def test_an_entity_that_is_missing_online_is_found(house):
    with OnlineStore(house.root / "online") as store:
        store.drop(WEATHER)
    ask(house, *TRIPS_ASKED)

    rows, differing, passed = found(house)

    assert (rows, passed) == (8, False)
    assert differing == {"temp": 8, "storm": 8, "cloud": 8, "wind": 8, "chill": 8}


def test_missed_events_of_a_window_are_found(house):
    gusts = [(station, T0 - n * HOUR, 0.1 + n) for station in "ab" for n in range(5)]
    house.store.publish(STORM, rows_of(STORM, *gusts, ("a", T0 + MINUTE, 50.0)), YEAR)
    ask(house, *TRIPS_ASKED)

    assert found(house) == (8, {"gust_mean_3h": 4, "count_3h": 4}, False)


def test_other_code_is_found(house):
    """The server computes with single precision."""
    served = ask(house, *TRIPS_ASKED)
    folder = house.root / "inference_log" / "delay"
    assert len({one["chill"] for one in served}) > 1
    lines = [
        said(n, keys=request, given=["trip"], request_time=ASKED.isoformat(), logged_at=datetime.now(UTC).isoformat())
        | {"features": features | {"chill": features["chill"] * (1 + 2 * FLOAT_TOLERANCE)}}
        for n, (request, features) in enumerate(zip(TRIPS_ASKED, served, strict=True))
    ]
    write_segment(folder, "a-000001.ndjson", *lines)

    assert found(house) == (8, {"chill": 8}, False)


def test_the_log_keeps_what_was_given(house):
    ask(house, {"trip": 99, "station": "b", "distance": 5.0})
    house.materialize(log.assets())
    with house.store.connect() as connection:
        (row,) = house.store.read(connection, LOG.table).to_arrow_table().to_pylist()

    assert (row["trip"], row["station"], row["distance"], row["given"]) == (99, "b", 5.0, '["trip", "station", "distance"]')
