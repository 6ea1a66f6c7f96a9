"""The other routes: health, metrics, what there is to know of models, the description, and the pages."""

import re

import pytest

from fti_assets_tests.serving.contracts import VIEW
from fti_assets_tests.serving.examples import B6, UA


def metric(server, name, **labels):
    """The value of a metric; 0 where it is not there."""
    for line in server.get("/metrics").body.decode().splitlines():
        said, _, value = line.rpartition(" ")
        if said.partition("{")[0] == name and all(f'{key}="{one}"' in said for key, one in labels.items()):
            return float(value)
    return 0.0


def test_health_says_how_all_stands(server):
    assert server.get("/healthz").json == {"alive": True}
    state = server.get("/readyz")
    assert state.status == 200
    assert state.json["clock"] == {"now": "2024-01-10T12:00:00Z", "is": "given"}
    assert state.json["online_store"] == "answers"
    model = state.json["models"]["flight_delay"]
    assert (model["champion"], model["registry"], model["problem"], model["predicts_by"]) == (2, "answers", None, "ForestModel")


def test_metrics_count_requests_rows_and_what_was_missing(server):
    def figures():
        return [
            metric(server, "fti_requests_total", model="flight_delay", route="predict", status="200"),
            metric(server, "fti_requests_total", model="flight_delay", route="predict", status="422"),
            metric(server, "fti_rows_total", model="flight_delay", route="predict"),
            metric(server, "fti_missing_features_total", model="flight_delay", source="weather_v1", status="expired"),
            metric(server, "fti_request_seconds_count", model="flight_delay", route="predict", stage="lookup"),
        ]

    before = figures()
    server.predict({"rows": [UA, B6]})
    server.predict({"rows": []})
    assert [after - old for after, old in zip(figures(), before, strict=True)] == [1, 1, 2, 1, 1]
    assert metric(server, "fti_model_version", model="flight_delay", role="champion") == 2
    assert metric(server, "fti_registry_reached", model="flight_delay") == 1


def test_a_model_says_what_may_be_asked_of_it(server):
    known = server.get("/models/flight_delay").json
    assert server.get("/models").json == {"models": [known]}
    assert known["keys"] == ["carrier", "number", "departs"]
    assert [one["name"] for one in known["features"]] == list(VIEW.feature_names)
    assert {one["name"]: one["source"] for one in known["features"]}["temp_f"] == "weather_v1"
    assert known["champion"]["version"] == 2
    assert known["explains"] is True


def test_examples_are_rows_that_were_known_last(server):
    found = server.get("/examples/flight_delay?limit=5").json["examples"]
    assert sorted(one["row"]["carrier"] for one in found) == ["B6", "UA"]
    assert found[0]["known_at"] == "2024-01-10T11:00:00Z"
    assert server.predict({"rows": [one["row"] for one in found]}).status == 200
    assert server.get("/examples/flight_delay?limit=1").json["examples"] == found[:1]


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1", "9" * 50, ""])
def test_a_limit_that_is_none_is_refused(server, limit):
    assert server.get(f"/examples/flight_delay?limit={limit}").status == 422


def test_every_example_of_the_description_is_answered(server):
    said = server.get("/openapi.json").json
    (content,) = said["paths"]["/predict/flight_delay"]["post"]["requestBody"]["content"].values()
    assert len(content["examples"]) == 3
    for example in content["examples"].values():
        answer = server.predict(example["value"])
        assert answer.status == 200, answer.body


def test_the_description_tells_types_units_and_meaning(server):
    row = server.get("/openapi.json").json["components"]["schemas"]["flight_delay_row"]
    assert row["required"] == ["carrier", "number", "departs"]
    assert row["properties"]["departs"] == {"type": "string", "format": "date-time"}
    temperature = row["properties"]["temp_f"]
    assert (temperature["type"], temperature["description"]) == (["number", "null"], "Air temperature. In °F.")


def test_pages_load_nothing_from_elsewhere(server):
    for path in ("/", "/docs"):
        page = server.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        elsewhere = re.findall(r"(?:src|href)=[\"'](?:https?:)?//", page.body.decode())
        assert elsewhere == []
    for asset in re.findall(r"(?:src|href)=\"(docs/[^\"]+)", server.get("/docs").body.decode()):
        assert server.get(f"/{asset}").status == 200, asset
    assert server.get("/docs/..%2f..%2fapp.py").status == 404
