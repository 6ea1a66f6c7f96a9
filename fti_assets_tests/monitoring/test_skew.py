"""Features as served against the join at the request's time, on literal logs."""

import json
from dataclasses import replace
from datetime import timedelta
from shutil import copytree

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError
from fti_assets.monitoring import land, measure_skew
from fti_assets.monitoring.skew import as_rows, same_values
from fti_assets.vocabulary import FLOAT_TOLERANCE, Feature, FeatureView, InferenceLog, SkewMonitor, aggregate
from fti_assets.vocabulary.on_demand import REQUEST_TIME, on_demand
from fti_assets_tests.feature_store.examples import DAY, HOUR, MINUTE, PROMISE, T0, TRIPS, YEAR, rows_of
from fti_assets_tests.monitoring.logged import LOG, VIEW, WEATHER, make_model, said, write_segment

SKEW = SkewMonitor(log=LOG, contract=PROMISE)
LONG_AGO = T0 - 2 * DAY
NOW = T0 + DAY


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A lake of trips and weather, published long before the first request; to be copied."""
    root = tmp_path_factory.mktemp("published")
    made = FeatureStore(root)
    made.publish(TRIPS, rows_of(TRIPS, *((n, T0, "a", "east", 10.0) for n in range(1, 9))), YEAR, published_at=LONG_AGO)
    weather = [("a", T0 - HOUR, 20.5, False, 3, "west"), ("b", T0 - HOUR, 7.0, True, 4, None)]
    made.publish(WEATHER, rows_of(WEATHER, *weather), YEAR, published_at=LONG_AGO)
    return root


@pytest.fixture
def store(published, tmp_path):
    copytree(published, tmp_path, dirs_exist_ok=True)
    return FeatureStore(tmp_path)


def correct(store, *rows, at):
    """Publishes rows of WEATHER in place of those of their entity and event time."""
    store.upsert(WEATHER, rows_of(WEATHER, *rows), published_at=at)


def served(number=1, log=None, **changes):
    """A line of the log, whose features are as in `said` but for those named."""
    line = said(number)
    names = {name: changes.pop(name) for name in [*changes] if name in line["features"] or name in (log or ())}
    return line | changes | {"features": line["features"] | names}


def measured(store, *lines, monitor=SKEW, now=NOW):
    """The skew of a log of these lines, by feature."""
    folder = store.root / "inference_log" / "delay"
    write_segment(folder, "a-000001.ndjson", *lines)
    land(store, monitor.log, folder)
    found = measure_skew(store, monitor, now=now)
    return found, {one.feature: one for one in found.features}


def differing(features):
    return {name: one.differing for name, one in features.items() if one.differing}


def test_what_is_served_right_does_not_differ(store):
    found, features = measured(store, *(served(n) for n in range(1, 6)))

    assert (found.rows, found.differing, found.other_versions) == (5, 0, 0)
    assert (found.first_logged, found.last_logged) == (T0 + MINUTE, T0 + 5 * MINUTE)
    assert list(features) == ["distance", "temp", "storm", "cloud", "wind"]
    assert {one.rows for one in features.values()} == {5}
    assert differing(features) == {}
    assert found.broken(0.0) == []
    assert (features["temp"].mean_age, features["temp"].greatest_age) == (3600 + 3 * 60, 3600 + 5 * 60)
    assert features["distance"].mean_age is None


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        pytest.param({"temp": 20.6}, "temp", id="float"),
        pytest.param({"storm": True}, "storm", id="bool"),
        pytest.param({"cloud": 4}, "cloud", id="int"),
        pytest.param({"wind": "east"}, "wind", id="string"),
        pytest.param({"distance": 11.0}, "distance", id="column_of_the_spine"),
    ],
)
def test_a_planted_difference_is_found_with_both_values(store, changed, name):
    found, features = measured(store, served(1), served(2, **changed), served(3))

    assert differing(features) == {name: 1}
    assert (features[name].share, found.differing) == (1 / 3, 1)
    assert [one.feature for one in found.broken(0.0)] == [name]
    assert found.broken(0.34) == []
    (example,) = features[name].examples
    assert (example.request_id, example.request_time, example.keys) == ("r0002", T0 + 2 * MINUTE, {"trip": 2})
    right = said(2)["features"][name]
    assert (example.online, example.offline) == (changed[name], right)
    assert example.age == (None if name == "distance" else 3600 + 2 * 60)


def test_a_stale_online_table_is_found(store):
    """The weather of a newer event was known in good time, and an older one was served."""
    correct(store, ("a", T0 - MINUTE, 25.0, False, 3, "west"), at=T0 - 30 * MINUTE)

    _, features = measured(store, served(1), served(2, temp=25.0))

    assert differing(features) == {"temp": 1}
    assert [(one.request_id, one.online, one.offline) for one in features["temp"].examples] == [("r0001", 20.5, 25.0)]


def test_a_value_that_was_replaced_just_before_lags(store):
    correct(store, ("a", T0 - HOUR, 25.0, False, 3, "west"), at=T0 - 5 * MINUTE)

    _, features = measured(store, served(1), served(6), served(7, temp=25.0))

    temp = features["temp"]
    assert (temp.lagging, temp.differing) == (1, 1)  # a minute after T0 six have passed, later eleven
    assert temp.examples[0].request_id == "r0006"
    strict = replace(SKEW, lag=timedelta())
    assert measure_skew(store, strict, now=NOW).features[1].differing == 2


def test_what_the_lake_learned_after_the_request_is_no_skew(store):
    """As events of a stream are: served at once, landed in the lake minutes later."""
    correct(store, ("a", T0, 30.0, False, 3, "west"), at=T0 + HOUR)

    _, features = measured(store, served(1, temp=30.0))

    temp = features["temp"]
    assert (temp.differing, temp.ahead, temp.corrected) == (0, 1, 1)


def test_a_late_correction_is_no_skew_but_training_sees_it(store):
    correct(store, ("a", T0 - HOUR, 21.0, False, 3, "west"), at=T0 + HOUR)

    _, features = measured(store, served(1))

    assert (features["temp"].differing, features["temp"].corrected, features["cloud"].corrected) == (0, 1, 0)


def test_missing_online_but_there_offline(store):
    nothing = {"temp": None, "storm": None, "cloud": None, "wind": None, "missing": ["weather_v1"]}
    _, features = measured(store, served(1, **nothing), served(2))

    assert {name: one.missing_online for name, one in features.items()} == {
        "distance": 0,
        "temp": 1,
        "storm": 1,
        "cloud": 1,
        "wind": 1,
    }
    assert features["wind"].examples[0].offline == "west"


def test_there_online_but_expired_offline(store):
    late = T0 + 5 * HOUR + MINUTE  # the ttl is 6 hours, the weather of an hour before T0
    _, features = measured(store, served(1, request_time=late.isoformat(), logged_at=late.isoformat()))

    assert (features["temp"].only_online, features["temp"].differing) == (1, 1)
    assert features["temp"].mean_age is None


def test_nothing_on_both_sides_is_the_same(store):
    keys = {"trip": 1, "station": "nowhere"}
    nothing = {"temp": None, "storm": None, "cloud": None, "wind": None}

    _, features = measured(store, served(1, keys=keys, **nothing))

    assert differing(features) == {}


def test_given_features_are_left_out(store):
    _, features = measured(store, served(1, temp=99.0, given=["station", "temp"]), served(2))

    assert (features["temp"].rows, features["temp"].given, features["temp"].differing) == (1, 1, 0)
    assert (features["cloud"].rows, features["cloud"].given) == (2, 0)


def test_a_given_key_decides_what_is_joined(store):
    of_b = {"temp": 7.0, "storm": True, "cloud": 4, "wind": None}
    given = {"keys": {"trip": 1, "station": "b"}, "given": ["station"]}

    assert differing(measured(store, served(1, **of_b, **given))[1]) == {}


def test_a_key_that_was_not_given_is_that_of_the_spine(store):
    """The schedule says station a, whatever the log says the server took."""
    wrong = {"temp": 7.0, "storm": True, "cloud": 4, "wind": None, "keys": {"trip": 1, "station": "b"}, "given": []}

    assert set(differing(measured(store, served(1, **wrong))[1])) == {"temp", "storm", "cloud", "wind"}


def test_the_schedule_is_read_as_known_at_the_request(store):
    """Asked an hour before the schedule of the trip is known, the spine has no row yet: neither distance nor station."""
    early = (T0 - HOUR).isoformat()
    nothing = {"distance": None, "temp": None, "storm": None, "cloud": None, "wind": None}

    _, features = measured(store, served(1, request_time=early, logged_at=early, given=[], **nothing))

    assert differing(features) == {}


def test_only_the_newest_rows_are_compared_and_shadows_once(store):
    lines = [served(1, temp=0.0), served(2), served(3), served(3, role="shadow", prediction=0.9)]

    found, features = measured(store, *lines, monitor=replace(SKEW, sample_rows=3))

    assert (found.rows, found.differing) == (2, 0)
    assert features["temp"].rows == 2


def test_rows_of_another_version_of_the_view_are_counted_and_left_out(store):
    found, features = measured(store, served(1), served(2, view_version=2, temp=0.0))

    assert (found.rows, found.other_versions) == (1, 1)
    assert differing(features) == {}


def test_nothing_was_logged(store):
    found = measure_skew(store, SKEW, now=NOW)

    assert (found.rows, found.features, found.first_logged) == (0, (), None)
    assert as_rows(SKEW, found, "run").num_rows == 0


def test_a_group_that_was_never_published_is_named(tmp_path):
    with pytest.raises(MissingFeaturesError, match=r"features\.trips_v1.* was never published"):
        measured(FeatureStore(tmp_path), served(1))


@on_demand(Feature("temp_change", "float"), reads=("temp", "distance", REQUEST_TIME))
def temp_change(temp, distance, request_time):
    hour = (request_time - request_time.astype("datetime64[D]")) / np.timedelta64(1, "h")
    return temp * hour + distance


ON_DEMAND = FeatureView(
    name="delay",
    version=1,
    spine=TRIPS,
    at="asked_at",
    features=(TRIPS["distance"], WEATHER["temp"]),
    label=VIEW.label,
    on_demand=(temp_change,),
)
OF_ON_DEMAND = SkewMonitor(log=InferenceLog(model=make_model(ON_DEMAND), contract=PROMISE), contract=PROMISE)


@pytest.mark.parametrize(
    ("temp", "change", "given", "found"),
    [
        pytest.param(20.5, 20.5 * 12.05 + 10, [], {}, id="as_in_training"),
        pytest.param(20.5, 20.5 * 12.05 + 10.1, [], {"temp_change": 1}, id="other_code"),
        pytest.param(2.0, 2.0 * 12.05 + 10, ["temp"], {}, id="of_a_given_feature"),
        pytest.param(2.0, 20.5 * 12.05 + 10, ["temp"], {"temp_change": 1}, id="not_of_the_given_feature"),
        pytest.param(20.5, 1.0, ["temp_change"], {}, id="given_itself"),
    ],
)
def test_on_demand_features_are_computed_again(store, temp, change, given, found):
    line = served(3, given=["station", *given]) | {"features": {"distance": 10.0, "temp": temp, "temp_change": change}}

    assert differing(measured(store, line, monitor=OF_ON_DEMAND)[1]) == found


def test_windows_are_computed_again(store):
    windowed = WEATHER.windowed(aggregate.mean("temp", last=3 * HOUR), aggregate.count(last=3 * HOUR))
    view = replace(VIEW, features=(TRIPS["distance"], windowed))
    monitor = SkewMonitor(log=InferenceLog(model=make_model(view), contract=PROMISE), contract=PROMISE)
    correct(store, ("a", T0 - 2 * HOUR, 10.5, False, 3, "west"), at=T0 - DAY)
    right, wrong = ({"distance": 10.0, "temp_mean_3h": mean, "count_3h": 2} for mean in (15.5, 20.5))

    _, features = measured(store, said(1, features=right), said(2, features=wrong), monitor=monitor)

    assert differing(features) == {"temp_mean_3h": 1}
    assert features["count_3h"].mean_age is None


def test_the_rows_fit_the_table(store):
    found, _ = measured(store, served(1, temp=0.0), served(2))
    rows = as_rows(SKEW, found, "a_run")
    with store.connect() as connection:
        store.append(connection, SKEW.table, rows, description="x")
        (row,) = store.read(connection, SKEW.table).filter("feature = 'temp'").to_arrow_table().to_pylist()

    assert (row["rows"], row["differing"], row["share"], row["run"], row["checked_at"]) == (2, 1, 0.5, "a_run", NOW)
    (example,) = json.loads(row["examples"])
    assert (example["online"], example["offline"], example["keys"]) == (0.0, 20.5, {"trip": 1})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(1.0, 1.0, True, id="equal"),
        pytest.param(1e9, 1e9 * (1 + 0.9e-6), True, id="within_the_tolerance"),
        pytest.param(1e9, 1e9 * (1 + 1.1e-6), False, id="beyond_the_tolerance"),
        pytest.param(1e-12, 2e-12, False, id="small_ones_are_relative_too"),
        pytest.param(0.0, -0.0, True, id="zeros"),
        pytest.param(0.0, 1e-300, False, id="zero_is_near_to_nothing"),
        pytest.param(None, None, True, id="nulls"),
        pytest.param(None, 0.0, False, id="null_and_zero"),
        pytest.param(float("nan"), None, True, id="nan_and_null"),
        pytest.param(float("inf"), float("inf"), True, id="infinite"),
        pytest.param(float("inf"), 1e308, False, id="infinite_and_large"),
        pytest.param(float("inf"), float("-inf"), False, id="infinities"),
    ],
)
def test_floats_that_are_the_same(one, other, same):
    arrays = [pa.array([value], pa.float64()) for value in (one, other)]

    assert same_values(*arrays, "float", FLOAT_TOLERANCE).tolist() == [same]
    assert same_values(*arrays[::-1], "float", FLOAT_TOLERANCE).tolist() == [same]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"sample_rows": 0}, "compares 0 rows", id="no_rows"),
        pytest.param({"lag": timedelta(seconds=-1)}, "with a lag of -1 day", id="negative_lag"),
        pytest.param({"tolerance": 1.0}, "has a tolerance of 1 ", id="all_are_near"),
        pytest.param({"allowed_share": -0.1}, "allows a share of -0.1", id="negative_share"),
    ],
)
def test_a_check_that_would_check_nothing_is_refused(changes, said):
    with pytest.raises(DefinitionError, match=said):
        replace(SKEW, **changes)
