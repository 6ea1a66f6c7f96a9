"""What is a line of a log, and what is none."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fti_assets.errors import DefinitionError
from fti_assets.monitoring.log_lines import parse
from fti_assets.vocabulary import Feature, FeatureGroup, InferenceLog, spine_columns
from fti_assets_tests.feature_store.examples import PROMISE, STATION, T0
from fti_assets_tests.monitoring.logged import LOG, SERVED, VIEW, as_line, make_model, said


def parsed(line):
    """The row of a line, or why there is none."""
    text = line if isinstance(line, bytes) else as_line(line)[:-1]
    rows, malformed = parse([(7, text)], LOG.table, LOG.name)
    if malformed:
        (one,) = malformed
        assert (rows.num_rows, one.number) == (0, 7)
        return one.reason
    (row,) = rows.to_pylist()
    return row


def features(**changes):
    return said(features=SERVED | changes)


def test_a_line_becomes_a_typed_row():
    row = parsed(said(2, given=["station"], missing=["weather_v1"]))

    assert list(row) == [column.name for column in LOG.table.columns]
    assert (row["request_id"], row["trip"], row["station"]) == ("r0002", 2, "a")
    assert row["logged_at"] == datetime(2024, 1, 10, 12, 2, tzinfo=UTC)
    assert {name: row[name] for name in SERVED} == SERVED
    assert (json.loads(row["given"]), json.loads(row["missing"])) == (["station"], ["weather_v1"])
    assert (row["role"], row["model_version"], row["prediction"], row["latency_us"]) == ("champion", 1, 0.25, 310)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        pytest.param(features(temp=3), "temp", 3.0, id="whole_number_for_a_float"),
        pytest.param(features(cloud=3.0), "cloud", 3, id="float_for_a_whole_number"),
        pytest.param(features(cloud=2**62 + 1), "cloud", 2**62 + 1, id="large_whole_number"),
        pytest.param(features(storm=1.0), "storm", True, id="number_for_a_bool"),
        pytest.param(features(temp=float("nan")), "temp", None, id="nan_is_null"),
        pytest.param(features(temp=None), "temp", None, id="null"),
        pytest.param(said(features={}), "temp", None, id="feature_of_another_version_of_the_view"),
        pytest.param(features(snow=3), "temp", 20.5, id="unknown_feature_is_passed_over"),
        pytest.param(said(logged_at="2024-01-10T13:00:00+01:00"), "logged_at", T0, id="other_zone"),
        pytest.param(said(logged_at="2024-01-10T12:00:00Z"), "logged_at", T0, id="zulu"),
        pytest.param(said(logged_at=1704888000000000), "logged_at", T0, id="microseconds"),
        pytest.param(said(latency_us=None), "latency_us", None, id="no_latency"),
        pytest.param(said(role="shadow"), "role", "shadow", id="role"),
    ],
)
def test_values_that_fit(line, name, value):
    assert parsed(line)[name] == value


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"{", "It is no JSON: ", id="no_json"),
        pytest.param(b"\xff\xfe", "It is no JSON: ", id="no_text"),
        pytest.param(b"[" * 100_000, "It is no JSON: ", id="too_deep"),
        pytest.param(b"[1]", "It is not an object but [1].", id="no_object"),
        pytest.param(said(model="other"), "It is of model \"other\", not of 'delay'.", id="other_model"),
        pytest.param(said(request_id=None, keys=None), "It lacks request_id, keys.", id="lacks_something"),
        pytest.param(said(request_id=""), "'request_id' is \"\": it is to be a text that is not empty.", id="empty_id"),
        pytest.param(said(features=[1]), "'features' is [[1]], not an object.", id="features_are_no_object"),
        pytest.param(said(prediction="high"), "'prediction' is \"high\": it is to be a number.", id="text_for_a_number"),
        pytest.param(said(prediction=float("inf")), "'prediction' is Infinity: it is to be a finite number.", id="infinite"),
        pytest.param(said(prediction=True), "'prediction' is true: it is to be a number.", id="bool_for_a_number"),
        pytest.param(features(cloud=1.5), "'cloud' is 1.5: it is to be a whole number of 64 bits.", id="not_whole"),
        pytest.param(features(cloud=2**63), f"'cloud' is {2**63}: it is to be a whole number of 64 bits.", id="too_large"),
        pytest.param(features(cloud=True), "'cloud' is true: it is to be a whole number of 64 bits.", id="bool_for_a_whole"),
        pytest.param(features(storm=2), "'storm' is 2: it is to be true or false.", id="number_that_is_no_bool"),
        pytest.param(features(wind=1), "'wind' is 1: it is to be a text.", id="number_for_a_text"),
        pytest.param(features(wind="\ud800"), "'wind' is \"\\ud800\": ", id="half_a_character"),
        pytest.param(said(role="king"), "'role' is \"king\": it is to be one of champion, challenger, shadow.", id="role"),
        pytest.param(said(request_time="noon"), "'request_time' is \"noon\": Invalid isoformat string: 'noon'.", id="no_time"),
        pytest.param(said(given="station"), "'given' is \"station\": it is to be a list of names.", id="given_is_no_list"),
    ],
)
def test_lines_that_are_none_say_why(line, reason):
    assert str(parsed(line)).startswith(reason)


def test_a_line_of_several_rows_becomes_as_many():
    other = said(2, features=SERVED | {"temp": None, "storm": True}, missing=["weather_v1"], prediction=0.75, model_version=2)
    rows, malformed = parse([(1, as_line(said(1), other)), (2, as_line(said(3)))], LOG.table, LOG.name)

    assert malformed == []
    assert rows.to_pylist()[:2] == [parsed(said(1)), parsed(other | {"logged_at": said(1)["logged_at"]})]
    assert rows["request_id"].to_pylist() == ["r0001", "r0002", "r0003"]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        pytest.param("prediction", [0.5], "'prediction' is [0.5], not a list of 2.", id="too_few"),
        pytest.param("prediction", 0.5, "'prediction' is 0.5, not a list of 2.", id="no_list"),
        pytest.param("request_id", "r1", "'request_id' is \"r1\", not a list.", id="ids_are_no_list"),
        pytest.param("features", {"temp": [1.0, 2.0, 3.0]}, "'temp' is [1.0, 2.0, 3.0], not a list of 2.", id="too_many"),
        pytest.param("role", ["champion", None], "It lacks role.", id="one_is_null"),
        pytest.param("prediction", [0.5, "high"], "'prediction' is \"high\": it is to be a number.", id="one_is_wrong"),
    ],
)
def test_a_line_whose_rows_do_not_fit_is_none(name, values, reason):
    line = json.loads(as_line(said(1), said(2))) | {name: values}
    rows, (malformed,) = parse([(1, json.dumps(line).encode())], LOG.table, LOG.name)

    assert (rows.num_rows, malformed.reason) == (0, reason)


def test_the_spines_columns_are_those_that_something_is_joined_by_or_chosen_from():
    assert [column.name for column in spine_columns(VIEW)] == ["trip", "station", "distance"]


def test_a_feature_cannot_have_the_name_of_a_column_of_the_log():
    group = FeatureGroup(name="roles", version=1, entity=STATION, features=(Feature("role", "string"),), contract=PROMISE)
    view = replace(VIEW, features=(group.all_features,))

    with pytest.raises(DefinitionError, match=r"columns of its own named role, as has view 'delay'\. Join the feature in a role"):
        InferenceLog(model=make_model(view), contract=PROMISE)
