"""What is answered to whom asks well, and what is logged of it."""

import math
import time

import numpy as np
import pytest

from fti_assets.serving.check_rows import as_table
from fti_assets_tests.serving.contracts import MODEL, VIEW
from fti_assets_tests.serving.examples import B6, FEATURES, UA, UA_FEATURES, make_model

CHAMPION = make_model(0)


def request(time, of_row=None):
    return {"row": {**UA, **({"request_time": of_row} if of_row else {})}, "request_time": time}


def plainly(features):
    """What the registered model predicts for features as a table."""
    row = [features.get(feature.name) for feature in FEATURES]
    return float(CHAMPION.predict(as_table(FEATURES, [row]))[0])


def test_a_row_gets_the_prediction_of_the_champion_for_its_features(server):
    answer = server.predict({"row": UA})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["model"] == "flight_delay"
    (made,) = answer.json["predictions"]
    assert made["prediction"] == pytest.approx(plainly(UA_FEATURES), abs=1e-6)
    assert (made["model_version"], made["role"], made["missing"]) == (2, "champion", {})


def test_sources_that_gave_nothing_are_named_with_the_reason(server):
    (made,) = server.predict({"row": B6}).json["predictions"]
    assert made["missing"] == {"weather_v1": "expired", "carriers_v1": "missing"}
    features = {"carrier": "B6", "origin": "JFK", "holiday": True, "hours_left": 3.0}
    assert made["prediction"] == pytest.approx(plainly(features), abs=1e-6)


def test_what_a_request_gives_takes_precedence(server):
    given = {**UA, "wind_mph": 45, "fleet": None}
    (made,) = server.predict({"row": given}).json["predictions"]
    assert made["prediction"] == pytest.approx(plainly({**UA_FEATURES, "wind_mph": 45.0, "fleet": None}), abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        pytest.param({"row": UA, "request_time": "2024-01-10T10:59:59.999999Z"}, {"flights_v1", "weather_v1"}, id="of_the_request"),
        pytest.param({"row": {**UA, "request_time": "2024-01-10T12:00:00+01:00"}}, set(), id="of_the_row_in_another_zone"),
        pytest.param(
            {"row": {**UA, "request_time": "2024-01-10T18:00:00Z"}, "request_time": "2024-01-01T00:00:00Z"},
            {"weather_v1"},
            id="of_the_row_first",
        ),
    ],
)
def test_features_are_as_known_at_the_time_of_the_request(server, asked, missing):
    (made,) = server.predict(asked).json["predictions"]
    assert made["missing"].keys() == missing


def test_many_rows_are_answered_in_their_order(server):
    rows = [UA, B6, {**UA, "wind_mph": 45.0}] * 30
    predictions = [one["prediction"] for one in server.predict({"rows": rows}).json["predictions"]]
    one_by_one = [server.predict({"row": row}).json["predictions"][0]["prediction"] for row in rows[:3]]
    np.testing.assert_allclose(predictions, one_by_one * 30, rtol=0, atol=1e-6)


def test_features_as_used_are_told_with_their_ages(server):
    (made,) = server.predict({"row": {**UA, "fleet": 1}, "features": True}).json["predictions"]
    assert made["features"] == {**UA_FEATURES, "fleet": 1}
    assert list(made["features"]) == list(VIEW.feature_names)
    assert made["given"] == ["carrier", "number", "departs", "fleet"]
    assert made["request_time"] == "2024-01-10T12:00:00Z"
    weather = made["sources"]["weather_v1"]
    assert weather == {
        "status": "found",
        "event_time": "2024-01-10T11:00:00Z",
        "age_seconds": 3600.0,
        "features": ["temp_f", "wind_mph"],
    }
    assert made["sources"]["carriers_v1"]["status"] == "given"


def test_reasons_sum_to_the_logit_of_the_prediction(server):
    answer = server.predict({"rows": [UA, B6], "explain": True})
    for made in answer.json["predictions"]:
        reasons = made["explanation"]
        assert reasons["contributions"].keys() == set(VIEW.feature_names)
        assert reasons["logit"] == pytest.approx(math.log(made["prediction"] / (1 - made["prediction"])), abs=1e-5)
        assert reasons["base_value"] + sum(reasons["contributions"].values()) == pytest.approx(reasons["logit"])


def test_what_is_logged_is_what_was_answered(server):
    asked = [{**UA, "wind_mph": None}, B6]
    answer = server.predict({"rows": asked, "features": True}).json
    lines = logged(server, answer["request_id"], 2)
    for number, (row, made, line) in enumerate(zip(asked, answer["predictions"], lines, strict=True)):
        assert line["request_id"] == f"{answer['request_id']}.{number}"
        assert (line["model"], line["model_version"], line["view_version"], line["role"]) == ("flight_delay", 2, 1, "champion")
        assert line["features"] == made["features"]
        assert line["prediction"] == made["prediction"]
        assert line["missing"] == list(made["missing"])
        assert line["given"] == list(row)
        assert line["keys"] == {name: row[name] for name in ("carrier", "number", "departs")}
        assert line["request_time"] == "2024-01-10T12:00:00Z"
        assert 0 < line["latency_us"] < 60e6


def test_the_lander_takes_the_lines_as_they_are(server):
    from fti_assets.monitoring.log_lines import parse
    from fti_assets.vocabulary import Contract, InferenceLog

    answer = server.predict({"row": {**B6, "distance": 12.5}}).json
    logged(server, answer["request_id"], 1)
    folder = server.data / "inference_log" / "flight_delay"
    raw = [line for file in sorted(folder.glob("*.ndjson*")) for line in file.read_bytes().splitlines()]
    table = InferenceLog(model=MODEL, contract=Contract(owner="team:test")).table
    rows, malformed = parse(enumerate(raw), table, "flight_delay")
    assert malformed == []
    (row,) = [row for row in rows.to_pylist() if row["request_id"].startswith(answer["request_id"])]
    assert (row["carrier"], row["number"], row["distance"], row["holiday"], row["temp_f"]) == ("B6", 7, 12.5, True, None)
    assert row["departs"].isoformat() == "2024-01-10T15:00:00+00:00"


def logged(server, request_id, count):
    """The lines of a request, once they are on disk: within half a second and what a busy machine adds."""
    for _ in range(200):
        found = [line for line in server.logged() if line["request_id"].partition(".")[0] == request_id]
        if len(found) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{request_id} is not logged")
