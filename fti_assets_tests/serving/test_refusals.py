"""What is refused: with a status of 4xx, what is wrong, where, what is expected and what to do; never with 500."""

import http.client
import json
import socket

import pytest

from fti_assets_tests.serving.examples import UA
from fti_assets_tests.serving.servers import received

ROW = json.dumps(UA)
HEAD = b"POST /predict/flight_delay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def row(**changes):
    return {"row": {**UA, **changes}}


def without(*names):
    return {"row": {name: value for name, value in UA.items() if name not in names}}


@pytest.mark.parametrize(
    ("said", "where", "what"),
    [
        pytest.param(row(carrier=7), "row.carrier", "7 is no text", id="number_for_text"),
        pytest.param(row(number="12"), "row.number", "'12' is no whole number", id="text_for_number"),
        pytest.param(row(number=1.5), "row.number", "1.5 is no whole number", id="fraction_for_int"),
        pytest.param(row(number=True), "row.number", "True is no whole number", id="bool_for_int"),
        pytest.param(row(temp_f=False), "row.temp_f", "False is no number", id="bool_for_float"),
        pytest.param(row(holiday=1), "row.holiday", "1 is neither true nor false", id="int_for_bool"),
        pytest.param(row(number=2**63), "row.number", "does not fit into 64 bits", id="int_of_65_bits"),
        pytest.param(row(number=2**64), "row.number", "is no whole number of 64 bits", id="int_beyond_json"),
        pytest.param(row(number=-(2**63) - 1), "row.number", "is no whole number of 64 bits", id="negative_int_beyond"),
        pytest.param(row(temp_f=1e39), "row.temp_f", "larger than a model can read", id="float_beyond_float32"),
        pytest.param(row(temp_f=[1]), "row.temp_f", "A list is no number", id="list"),
        pytest.param(row(departs="2024-01-10T15:00:00"), "row.departs", "without a zone", id="time_without_zone"),
        pytest.param(row(departs="soon"), "row.departs", "is no time", id="no_time"),
        pytest.param(row(departs=1704898800), "row.departs", "is no time", id="seconds_for_time"),
        pytest.param(row(departs="0001-01-01T00:00:00+14:00"), "row.departs", "is no time", id="before_all_time"),
        pytest.param(row(carrier=None), "row.carrier", "The key 'carrier' is null", id="null_key"),
        pytest.param(row(carrier="x" * 10_001), "row.carrier", "longer than 10,000", id="long_text"),
        pytest.param(row(carier="UA"), "row.carier", "There is no column 'carier'", id="unknown_column"),
        pytest.param(without("number"), "row", "The key 'number' is missing", id="missing_key"),
        pytest.param({"row": None}, "row", "A row is null", id="null_row"),
        pytest.param({"rows": [UA, {**UA, "number": "1"}]}, "rows[1].number", "is no whole number", id="second_row"),
        pytest.param({"rows": [UA, []]}, "rows[1]", "A row is a list", id="list_for_row"),
        pytest.param({"rows": []}, "rows", "There are no rows", id="no_rows"),
        pytest.param({"rows": {}}, "rows", "'rows' is an object", id="object_for_rows"),
        pytest.param({"rows": [UA] * 1001}, "rows", "There are 1,001 rows", id="too_many_rows"),
        pytest.param({"rows": [UA] * 21, "explain": True}, "explain", "asked for 21 rows", id="too_many_explained"),
        pytest.param({"row": UA, "explain": 1}, "explain", "'explain' is 1", id="number_for_flag"),
        pytest.param({"row": UA, "explian": True}, "explian", "The body holds 'explian'", id="unknown_name"),
        pytest.param({"row": UA, "rows": [UA]}, "", "both 'row' and 'rows'", id="both_forms"),
        pytest.param({}, "", "neither 'row' nor 'rows'", id="empty_object"),
        pytest.param(UA, "", "neither 'row' nor 'rows'", id="a_bare_row"),
        pytest.param([UA], "", "The body is a list", id="a_bare_list"),
        pytest.param({"row": UA, "request_time": "now"}, "request_time", "'now' is no time", id="no_request_time"),
        pytest.param(row(request_time=5), "row.request_time", "5 is no time", id="request_time_of_a_row"),
        pytest.param(row(asked_at="2024-01-10T15:00:00Z"), "row.asked_at", "no column 'asked_at'", id="the_time_column"),
    ],
)
def test_what_does_not_fit_the_contract_is_refused(server, said, where, what):
    answer = server.predict(said)
    assert answer.status == 422, answer.body
    assert answer.error["where"] == where
    assert what in answer.error["what"]
    assert answer.error["expected"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        pytest.param(b"", "The body is empty", id="empty"),
        pytest.param(b'{"row": ', "The body is no JSON", id="broken_off"),
        pytest.param(ROW.replace("12", "NaN").encode(), "The body is no JSON", id="nan"),
        pytest.param(ROW.replace("12", "-Infinity").encode(), "The body is no JSON", id="infinity"),
        pytest.param(ROW.replace("12", "1e999").encode(), "infinity", id="overflowing_number"),
        pytest.param(b"[" * 100_000, "depth limit", id="nested_deeply"),
        pytest.param(b'{"row": "\xff\xfe"}', "UTF-8", id="bad_utf8"),
        pytest.param(b'{"row": "\\ud800"}', "surrogate", id="half_a_surrogate"),
        pytest.param(b"carrier=UA", "The body is no JSON", id="a_form"),
    ],
)
def test_what_is_no_json_is_refused(server, body, what):
    answer = server.predict(body)
    assert answer.status == 400
    assert what in answer.error["what"]
    assert answer.error["where"].startswith("line ")


def test_hints_say_what_was_probably_meant(server):
    assert server.predict(row(Carrier="UA")).error["next"] == "Did you mean 'carrier'?"
    assert "Z for UTC" in server.predict(row(departs="2024-01-10T15:00:00")).error["next"]
    assert "inside a row" in server.predict({**UA, "row": UA}).error["next"]
    assert "write null" in server.predict(b'{"row": {"number": NaN}}').error["next"]
    assert "request_time" in server.predict(row(asked_at="x")).error["next"]
    assert server.post("/predict/flight_dealy", {}).error["next"] == "Did you mean '/predict/flight_delay'?"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded", id="what_curl_says_by_itself"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_refused(server, said):
    answer = server.predict({"row": UA}, Content_Type=said)
    assert answer.status == 415
    assert answer.error["expected"] == "application/json"


def test_json_with_parameters_is_json(server):
    assert server.predict({"row": UA}, Content_Type="application/json; charset=utf-8").status == 200


def test_a_compressed_body_is_refused(server):
    assert server.predict({"row": UA}, Content_Encoding="gzip").status == 415


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = (
            f"POST /predict/flight_delay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {10**9}\r\n\r\n"
        )
        connection.sendall(head.encode())
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 4,194,304 bytes" in answer


def test_a_body_that_is_too_large_and_does_not_say_so_is_refused(server):
    answer = server.ask("POST", "/predict/flight_delay", iter([b" " * 2**20] * 5), Content_Type="application/json")
    server.connection.close()
    assert answer.status == 413


def test_what_is_not_there_is_told(server):
    answer = server.get("/nothing")
    assert (answer.status, answer.error["where"]) == (404, "path")
    answer = server.get("/models/flight_dealy")
    assert (answer.status, answer.error["next"]) == (404, "Did you mean 'flight_delay'?")


def test_other_methods_are_refused(server):
    for method, path, allowed in (("GET", "/predict/flight_delay", "POST"), ("POST", "/readyz", "GET, HEAD")):
        answer = server.ask(method, path)
        assert answer.status == 405
        assert answer.headers["allow"] == allowed
        assert path in answer.error["what"]


def test_what_is_no_http_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_who_leaves_early_does_no_harm(server):
    for part in (
        b"POST /predict/flight_delay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(part)
    assert server.predict({"row": UA}).status == 200


def test_odd_keys_are_answered_with_what_is_missing(server):
    for carrier in ("", "\x00", "ü" * 5_000, "\U0001f6eb", "a\x00\xff"):
        answer = server.predict({"row": {**UA, "carrier": carrier}})
        assert answer.status == 200
        assert answer.json["predictions"][0]["missing"]["flights_v1"] == "missing"


def test_a_connection_that_was_refused_goes_on(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for body, status in ((b"{", 400), (json.dumps({"row": UA}).encode(), 200), (b"[]", 422)):
        connection.request("POST", "/predict/flight_delay", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()
