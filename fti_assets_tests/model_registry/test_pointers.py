"""Aliases read without MLflow say what MLflow says."""

import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from fti_assets.model_registry.pointers import Pointer, RegistryUnreachableError, asked_pointers, pointers_reader

from .examples import make_contract, make_model, make_record

MODEL = make_model(rounds=2)


def test_aliases_of_a_sqlite_registry_are_those_that_mlflow_knows(registry):
    for seed in range(2):
        registry.log_training(make_contract("pointed"), make_record(MODEL, tags={"seed": str(seed)}))
    registry.promote("pointed", 1, reason="test", figures={})
    read = pointers_reader(registry.tracking_uri, "pointed")
    hashes = {version.version: version.tags["model_sha256"] for version in registry.versions("pointed")}
    assert read() == {"challenger": Pointer(2, hashes[2]), "champion": Pointer(1, hashes[1])}
    registry.promote("pointed", 2, reason="test", figures={})
    assert read() == asked_pointers(registry, "pointed")
    assert read()["previous"].version == 1
    assert pointers_reader(registry.tracking_uri, "unknown")() == {}


def test_a_store_that_only_mlflow_can_ask_has_no_reader():
    assert pointers_reader("postgresql+psycopg://owner@127.0.0.1/mlflow", "pointed") is None


@pytest.mark.parametrize(
    "content", [pytest.param(None, id="away"), pytest.param(b"no database", id="damaged"), pytest.param(b"", id="empty")]
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db cannot be read"):
        pointers_reader(f"sqlite:///{tmp_path}/mlflow.db", "pointed")()


@contextmanager
def answering(answers, asked):
    """A server that gives answers by the last parts of the path, and notes what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            status, body = answers.get("/".join(self.path.partition("?")[0].split("/")[-2:]), (404, b"{}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


GOOD = {
    "registered-models/get": (200, {"registered_model": {"name": "m", "aliases": [{"alias": "champion", "version": "3"}]}}),
    "model-versions/get": (200, {"model_version": {"version": "3", "tags": [{"key": "model_sha256", "value": "5f"}]}}),
}


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        pytest.param({}, None, id="nobody"),
        pytest.param({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t", id="by_token"),
        pytest.param({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw", id="by_name"),
    ],
)
def test_a_server_is_asked_as_mlflow_asks_it(monkeypatch, environment, sent):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    asked = []
    with answering(GOOD, asked) as address:
        assert pointers_reader(address, "m")() == {"champion": Pointer(3, "5f")}
    assert [path for path, _ in asked] == [
        "/api/2.0/mlflow/registered-models/get?name=m",
        "/api/2.0/mlflow/model-versions/get?name=m&version=3",
    ]
    assert {authorization for _, authorization in asked} == {sent}


@pytest.mark.usefixtures("_no_proxy")
@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        pytest.param(500, b"", "answers 500", id="failing"),
        pytest.param(404, b"nothing here", "answers 404", id="another_server"),
        pytest.param(200, b"<html>", "does not answer", id="no_json"),
        pytest.param(200, b"[]", "does not answer as MLflow does", id="no_object"),
    ],
)
def test_a_server_that_is_none_of_mlflow_is_told(status, body, what):
    with answering({"registered-models/get": (status, body)}, []) as address, pytest.raises(RegistryUnreachableError, match=what):
        pointers_reader(address, "m")()


@pytest.mark.usefixtures("_no_proxy")
def test_a_model_that_a_server_does_not_know_has_no_aliases():
    unknown = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})
    with answering({"registered-models/get": unknown}, []) as address:
        assert pointers_reader(address, "m")() == {}
    with pytest.raises(RegistryUnreachableError, match="does not answer"):
        pointers_reader(address, "m")()  # it is gone now
