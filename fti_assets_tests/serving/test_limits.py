"""Overload, slow clients, stops and kills."""

import asyncio
import json
import signal
import socket
import time

import pytest

from fti_assets.serving.admission import Admission, OverloadError
from fti_assets.serving.errors import RequestError
from fti_assets.serving.metrics import Metrics
from fti_assets.serving.prediction_route import House
from fti_assets.serving.request_reading import Asked
from fti_assets.serving.settings import Limits
from fti_assets_tests.serving.examples import UA
from fti_assets_tests.serving.servers import received, serving

BODY = json.dumps({"row": UA}).encode()
HEAD = b"POST /predict/flight_delay HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def house(make_house):
    return make_house()


def test_what_comes_beyond_the_limit_is_told_at_once():
    async def crowd():
        admission = Admission(Limits(waiting=3), 1)

        async def come():
            await admission.enter()
            await asyncio.sleep(0.01)
            admission.leave()

        found = await asyncio.gather(*(come() for _ in range(5)), return_exceptions=True)
        refused = [one for one in found if one is not None]
        assert [type(one) for one in refused] == [OverloadError] * 2
        assert (refused[0].status, refused[0].retry_after, refused[0].reason) == (503, 1, "crowded")
        await come()
        assert admission.inside == 0
        admission.close()

    asyncio.run(crowd())


def test_a_request_that_is_alone_in_the_server_is_answered_where_it_came_in():
    async def crowd():
        admission = Admission(Limits(), 1)
        metrics = Metrics(("flight_delay",))
        house = House(limits=Limits(), admission=admission, metrics=metrics, keys=None, at_once=2, at_once_alone=5)
        asked = [Asked([{}] * rows, [0] * rows) for rows in (2, 5, 6)]
        await admission.enter()
        assert [house.is_soon_done(one) for one in asked] == [True, True, False]
        assert not house.is_soon_done(Asked([{}], [0], explain=True))
        await admission.enter()
        assert [house.is_soon_done(one) for one in asked] == [True, False, False]
        admission.close()

    asyncio.run(crowd())


def test_long_work_is_bounded_in_number_and_time():
    async def crowd():
        admission = Admission(Limits(waiting_seconds=0.05), 1)
        until = time.perf_counter() + 0.1
        first = asyncio.create_task(admission.run(lambda: time.sleep(0.3), until=until))
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadError, match="threads for long requests are busy"):
            await admission.run(lambda: 1, until=until)
        with pytest.raises(OverloadError, match="took longer"):
            await first
        await asyncio.sleep(0.3)
        assert await admission.run(lambda: 1, until=time.perf_counter() + 5) == 1
        with pytest.raises(RequestError, match="mine"):
            await admission.run(_fail, until=time.perf_counter() + 5)
        admission.close()

    asyncio.run(crowd())


def _fail():
    raise RequestError(422, "mine")


def test_overload_slow_bodies_and_a_stop(house):
    limits = "limits: {waiting: 2, seconds: 3, body_bytes: 1000, rows: 3, explained_rows: 0}"
    with serving(house.root, settings=limits) as server:
        answer = server.predict({"row": UA, "explain": True})
        assert (answer.status, answer.error["expected"]) == (422, "false; this server gives no reasons")
        assert server.predict({"rows": [UA] * 4}).error["expected"] == "at most 3 rows in one request"
        assert server.predict(b" " * 1001).status == 413
        server.connection.close()
        slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(2)]
        for connection in slow:
            connection.sendall(HEAD % len(BODY) + BODY[:-1])
        until = time.monotonic() + 10
        while (answer := server.predict({"row": UA})).status == 200 and time.monotonic() < until:
            pass
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "2 requests are in the server" in answer.error["what"]
        assert server.get("/healthz").status == 200
        slow[0].sendall(BODY[-1:])
        assert received(slow[0]).startswith(b"HTTP/1.1 200 ")
        assert received(slow[1]).startswith(b"HTTP/1.1 408 ")
        slow[0].sendall(HEAD % len(BODY) + BODY[:-1])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)  # with a request inside, which is answered
        time.sleep(0.2)
        slow[0].sendall(BODY[-1:])
        assert received(slow[0]).startswith(b"HTTP/1.1 200 ")
        for connection in slow:
            connection.close()
        assert server.process.wait(30) == 0
    folder = house.root / "inference_log" / "flight_delay"
    assert [path.suffix for path in folder.iterdir()] == [".ndjson"]
    assert len(server.logged()) >= 2


def test_a_killed_server_has_logged_what_it_had_written_and_another_one_starts(house):
    with serving(house.root) as server:
        for _ in range(20):
            server.predict({"row": UA})
        written = 0
        while written < 20:
            written = server.model["log"]["written"]
        server.predict({"row": UA})
        server.process.kill()
        server.process.wait()
        found = [line for line in server.logged() if line["request_id"].startswith(server_id(server))]
        assert 20 <= len(found) <= 21
    began = time.monotonic()
    with serving(house.root) as again:
        assert again.model["champion"] == 2
    assert time.monotonic() - began < 30  # about 2 on a machine that has nothing else to do


def server_id(server):
    return server.logged()[-1]["request_id"].rpartition("-")[0]
