"""The Open Inference Protocol, asked by the client that Triton ships, and by hand where that client would not err."""

import json
import struct

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from fti_assets_tests.serving.examples import B6, UA

KINDS = {"carrier": "BYTES", "number": "INT64", "departs": "BYTES", "wind_mph": "FP64"}


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(server.address) as made:
        yield made


def inputs(rows, names=("carrier", "number", "departs"), *, binary=True, shape=None):
    made = []
    for name in names:
        values = [row[name] for row in rows]
        array = np.array(values, dtype=object if KINDS[name] == "BYTES" else np.int64 if KINDS[name] == "INT64" else np.float64)
        one = triton.InferInput(name, shape or [len(rows)], KINDS[name])
        one.set_data_from_numpy(array.reshape(shape or [len(rows)]), binary_data=binary)
        made.append(one)
    return made


def test_the_client_finds_server_and_model(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("flight_delay")
    assert client.is_model_ready("flight_delay", "2")
    assert not client.is_model_ready("flight_delay", "3")
    assert not client.is_model_ready("flight")
    assert client.get_server_metadata()["name"] == "fti_assets"
    known = client.get_model_metadata("flight_delay")
    assert known["versions"] == ["2"]
    assert {one["name"]: one["datatype"] for one in known["inputs"] if not one.get("optional")} == {
        "carrier": "BYTES",
        "number": "INT64",
        "departs": "BYTES",
    }
    assert known["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [-1]}


@pytest.mark.parametrize("asked", [pytest.param(True, id="bytes"), pytest.param(False, id="json")])
@pytest.mark.parametrize("answered", [pytest.param(True, id="answered_as_bytes"), pytest.param(False, id="answered_as_json")])
def test_predictions_are_those_of_the_other_route(client, server, asked, answered):
    outputs = [triton.InferRequestedOutput(name, binary_data=answered) for name in ("prediction", "model_version", "missing")]
    result = client.infer("flight_delay", inputs([UA, B6], binary=asked), outputs=outputs, request_id="mine")
    expected = server.predict({"rows": [UA, B6]}).json["predictions"]
    assert result.as_numpy("prediction").tolist() == [one["prediction"] for one in expected]
    assert result.as_numpy("model_version").tolist() == [2, 2]
    missing = [json.loads(text) for text in result.as_numpy("missing").tolist()]
    assert missing == [[], ["weather_v1", "carriers_v1"]]
    assert result.get_response()["id"] == "mine"
    assert result.get_response()["model_version"] == "2"


def test_features_may_be_given_and_columns_may_have_two_dimensions(client, server):
    rows = [{**UA, "wind_mph": 45.0}, {**B6, "wind_mph": 3.0}]
    result = client.infer("flight_delay", inputs(rows, tuple(KINDS), shape=[2, 1]))
    expected = [one["prediction"] for one in server.predict({"rows": rows}).json["predictions"]]
    assert result.as_numpy("prediction").tolist() == expected


def test_the_time_may_be_given_for_the_request_or_for_each_row(client, server):
    early = "2024-01-10T10:00:00Z"
    time = triton.InferInput("request_time", [1], "BYTES")
    time.set_data_from_numpy(np.array([early], dtype=object))
    of_row = client.infer("flight_delay", [*inputs([UA]), time]).as_numpy("prediction")
    of_request = client.infer("flight_delay", inputs([UA]), parameters={"request_time": early}).as_numpy("prediction")
    expected = server.predict({"row": UA, "request_time": early}).json["predictions"][0]["prediction"]
    assert of_row.tolist() == of_request.tolist() == [expected]


def test_the_client_hears_what_is_wrong(client):
    with pytest.raises(InferenceServerException, match="The key 'departs' is missing"):
        client.infer("flight_delay", inputs([UA], ("carrier", "number")))
    nan = triton.InferInput("wind_mph", [1], "FP64")
    nan.set_data_from_numpy(np.array([np.nan]))
    with pytest.raises(InferenceServerException, match="NaN is no number"):
        client.infer("flight_delay", [*inputs([UA]), nan])
    with pytest.raises(InferenceServerException, match="There is no model 'flight'"):
        client.get_model_metadata("flight")


GOOD = {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["UA"]}


def said(*tensors, **more):
    return {"inputs": [*tensors], **more}


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        pytest.param([], "no list of inputs", id="no_object"),
        pytest.param({"inputs": {}}, "no list of inputs", id="no_list"),
        pytest.param({"inputs": []}, "There are no rows", id="no_inputs"),
        pytest.param(said(None), "An input has no name", id="null_for_an_input"),
        pytest.param(said({**GOOD, "name": "carier"}), "There is no column 'carier'", id="unknown_column"),
        pytest.param(said({**GOOD, "datatype": "INT64"}), "The datatype is 'INT64'", id="wrong_datatype"),
        pytest.param(said({**GOOD, "datatype": []}), "The datatype is a list", id="no_datatype"),
        pytest.param(said({**GOOD, "shape": [2]}), "There are 1 values", id="shape_that_does_not_fit"),
        pytest.param(said({**GOOD, "shape": [1, 2]}), "The shape is a list", id="shape_of_a_matrix"),
        pytest.param(said({**GOOD, "shape": [True]}), "The shape is a list", id="shape_of_a_truth_value"),
        pytest.param(said({**GOOD, "shape": None}), "The shape is null", id="no_shape"),
        pytest.param(said({**GOOD, "data": "UA"}), "The data is 'UA'", id="no_list_of_data"),
        pytest.param(said({**GOOD, "data": [None]}), "The key 'carrier' is null", id="null_key"),
        pytest.param(said(GOOD, GOOD), "'carrier' is given twice", id="twice"),
        pytest.param(said(GOOD, {"name": "number", "shape": [2], "datatype": "INT64", "data": [1, 2]}), "different", id="lengths"),
        pytest.param(said({**GOOD, "parameters": {"binary_data_size": 5}}), "0 bytes are left", id="no_bytes"),
        pytest.param(said(GOOD, outputs=[{"name": "mood"}]), "There is no such output", id="unknown_output"),
        pytest.param(said(GOOD, outputs={}), "The outputs are no list", id="no_list_of_outputs"),
    ],
)
def test_what_does_not_fit_is_refused(server, asked, what):
    answer = server.post("/v2/models/flight_delay/infer", asked)
    assert answer.status == 422
    assert what in answer.json["error"]


@pytest.mark.parametrize(
    ("length", "binary", "status", "what"),
    [
        pytest.param("1000000", b"", 400, "bytes are JSON", id="longer_than_the_body"),
        pytest.param("x", b"", 400, "bytes are JSON", id="no_number"),
        pytest.param("1" * 5_000, b"", 400, "bytes are JSON", id="a_number_of_5000_digits"),
        pytest.param(None, struct.pack("<I", 9) + b"U", 422, "ends beyond the data", id="text_beyond_the_data"),
        pytest.param(None, struct.pack("<I", 1) + b"\xff", 422, "not UTF-8", id="bad_utf8"),
        pytest.param(None, b"\x01", 422, "ends beyond the data", id="half_a_length"),
        pytest.param(None, struct.pack("<I", 2) + b"UA" + b"more", 422, "belong to no input", id="more_than_is_said"),
    ],
)
def test_binary_data_that_is_none_is_refused(server, length, binary, status, what):
    size = min(len(binary), 6) if b"more" in binary else len(binary)
    text = json.dumps(
        said({"name": "carrier", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}})
    ).encode()
    headers = {"Inference_Header_Content_Length": length or str(len(text)), "Content_Type": "application/octet-stream"}
    answer = server.post("/v2/models/flight_delay/infer", text + binary, **headers)
    assert answer.status == status
    assert what in answer.json["error"]
