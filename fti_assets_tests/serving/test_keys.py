"""Who may ask: everybody on this machine, and beyond it who has a key."""

import socket
import subprocess
import sys
import time

import pytest

from fti_assets.api_keys import new_key
from fti_assets_tests.serving.examples import UA
from fti_assets_tests.serving.servers import ROOT, serving

KEY, LINE = new_key("tester")


@pytest.fixture(scope="module")
def server(make_house):
    house = make_house()
    with serving(house.root, "--workers", "2", FTI_API_KEYS=LINE) as running:
        yield running


@pytest.mark.parametrize(
    "path",
    ["/predict/flight_delay", "/v2/models/flight_delay/infer", "/examples/flight_delay"],
    ids=["predict", "infer", "examples"],
)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer wrong"}, id="a_wrong_one"),
        pytest.param({"Authorization": KEY}, id="without_bearer"),
        pytest.param({"X_API_Key": LINE}, id="what_is_kept_of_it"),
        pytest.param({"Authorization": "Bearer ü"}, id="no_ascii"),
    ],
)
def test_without_a_key_nothing_is_predicted_and_nothing_shown(server, path, headers):
    answer = server.get(path, **headers) if path.startswith("/examples") else server.post(path, {"row": UA}, **headers)
    assert answer.status == 401
    assert KEY not in answer.body.decode()


def test_with_a_key_it_is(server):
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X_API_Key": KEY}):
        assert server.predict({"row": UA}, **headers).status == 200
        assert server.get("/examples/flight_delay", **headers).status == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready", "/", "/docs", "/models"]
)
def test_health_and_what_is_no_data_need_none(server, path):
    assert server.get(path).status == 200


def test_the_workers_of_a_server_tell_of_all_of_them(server):
    def answered():
        text = server.get("/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith("fti_rows_total") and 'route="predict"' in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = answered()
    for _ in range(10):  # each on a connection of its own, so that both workers get some
        server.connection.close()
        assert server.predict({"rows": [UA, UA]}, X_API_Key=KEY).status == 200
    server.connection.close()
    until = time.monotonic() + 10
    while answered() < before + 20 and time.monotonic() < until:  # the last one is counted after it was answered
        time.sleep(0.05)
    assert answered() == before + 20


def test_workers_end_with_the_server_and_leave_its_port(make_house):
    house = make_house()
    with serving(house.root, "--workers", "2") as running:
        assert running.predict({"row": UA}).status == 200
        running.connection.close()
        running.process.kill()
        running.process.wait()
        until = time.monotonic() + 30
        while not _is_free(running.port) and time.monotonic() < until:
            time.sleep(0.1)
        assert _is_free(running.port)


def _is_free(port):
    with socket.socket() as taken:
        return taken.connect_ex(("127.0.0.1", port)) != 0


def test_without_keys_it_does_not_listen_where_others_can_ask(make_house, tmp_path):
    command = [sys.executable, "-m", "fti_assets.cli", "serve", "fti_assets_tests.serving", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "can be reached by others, and there are no API keys" in done.stderr
