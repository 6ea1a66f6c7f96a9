"""Events pushed by HTTP, to a real server."""

import asyncio
import json
import os
import signal
import socket
import threading
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection

import pytest

from fti_assets.api_keys import ApiKeyError, key_line
from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore, OnlineStoreError, event_queue
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.windows import Windows
from fti_assets.streaming.errors import QueueFullError, StreamError
from fti_assets.streaming.http_app import LARGEST_BODY
from fti_assets.streaming.processor import Batch, Ingested
from fti_assets.streaming.running import Settings, Stream, prepare
from fti_assets.streaming.sources.http_push import HttpPush
from fti_assets_tests.feature_store.examples import read_all
from fti_assets_tests.streaming.examples import COUNT, GROUPS, MEAN, RIDES, T0, VIEW, ride, wait_until

WINDOWS = Windows(RIDES, ("station",), (COUNT, MEAN))


@contextmanager
def streaming(folder, **settings):
    with OnlineStore(folder / "online") as online:
        open_lake = partial(FeatureStore, folder)
        stream = Stream(online, open_lake, GROUPS, folder / "refused", Settings(**({"port": 0, "land_every": 1000} | settings)))
        prepare(online, open_lake, [VIEW])
        with stream.running():
            yield stream


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    with streaming(tmp_path_factory.mktemp("stream")) as running:
        yield running


def request(stream, method, path, body=None, **headers):
    """Status, answer and headers; underscores in the names of headers stand for dashes."""
    with closing(HTTPConnection("127.0.0.1", stream.port, timeout=30)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        data = response.read()
        is_json = response.getheader("content-type", "").startswith("application/json")
        return response.status, json.loads(data) if is_json else data.decode(), dict(response.getheaders())


def push(stream, *lines, group="rides_v1", **headers):
    return request(stream, "POST", f"/events/{group}", b"\n".join(lines), **({"content_type": "application/x-ndjson"} | headers))[
        :2
    ]


def look(stream, station="a", at=T0):
    with stream._processor._online.reading() as reader:
        return WINDOWS.evaluate(reader, (station,), microseconds(at))


def test_an_answer_says_what_became_of_the_events_and_they_are_readable_then(stream):
    status, answer = push(stream, ride(station="c"), b"", b"x", ride(T0, 1, station="c", delay=7.0), ride(station="c"))
    assert status == 200
    reason = answer["refused"][0].pop("reason")
    assert reason.startswith("The line is no JSON")
    assert answer == {"accepted": 2, "repeated": 1, "corrected": 0, "late": 0, "refused": [{"line": 3}], "refused_count": 1}
    assert look(stream, "c") == (2, 6.0)
    assert push(stream, ride(station="c", delay=1.0))[1]["corrected"] == 1


def test_refusals_of_a_large_body_name_their_lines(stream):
    lines = [ride(T0, 5000 + n, station="b") for n in range(1200)]
    lines[700] = lines[1100] = b"x"
    status, answer = push(stream, *lines)
    assert (status, answer["accepted"]) == (200, 1198)
    assert [one["line"] for one in answer["refused"]] == [701, 1101]


def test_an_answer_lists_so_many_refusals_and_counts_them_all(stream):
    status, answer = push(stream, *[b"x"] * 150)
    assert (status, len(answer["refused"]), answer["refused_count"]) == (422, 100, 150)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        pytest.param({"lines": [b"x"]}, 422, None, id="all_refused"),
        pytest.param({"lines": []}, 200, None, id="nothing"),
        pytest.param({"group": "ride_v1"}, 404, "Group 'ride_v1' is not in the groups that take events. Did you mean", id="group"),
        pytest.param({"content_type": "application/json"}, 415, "expected is application/x-ndjson", id="type"),
        pytest.param({"content_encoding": "gzip"}, 415, "not compressed", id="compressed"),
        pytest.param({"lines": [b" " * (LARGEST_BODY + 1)]}, 413, "larger than 1,048,576 bytes", id="large"),
    ],
)
def test_what_is_answered_otherwise(stream, sent, status, words):
    lines = sent.pop("lines", [ride()])
    found, answer = push(stream, *lines, **sent)
    assert found == status
    assert words is None or words in answer["error"]


def test_a_body_without_its_length_is_limited_too(stream):
    with closing(socket.create_connection(("127.0.0.1", stream.port), timeout=30)) as connection:
        head = "Host: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked"
        connection.sendall(f"POST /events/rides_v1 HTTP/1.1\r\n{head}\r\n\r\n".encode())
        for _ in range(20):
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_not_waited_for(stream, monkeypatch):
    monkeypatch.setattr("fti_assets.streaming.http_app.SLOWEST_BODY", 0.05)
    with closing(socket.create_connection(("127.0.0.1", stream.port), timeout=30)) as connection:
        head = "Host: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 10"
        connection.sendall(f"POST /events/rides_v1 HTTP/1.1\r\n{head}\r\n\r\n{{".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_an_unknown_path_and_method(stream):
    assert request(stream, "GET", "/events/rides_v1")[0] == 405
    assert request(stream, "GET", "/")[0] == 404


def test_health_and_metrics(stream):
    push(stream, ride(T0, 77, station="b"), b"x")
    status, health, _ = request(stream, "GET", "/healthz")
    assert (status, health["status"]) == (200, "ok")
    assert health["waiting"]["rides_v1"] >= 1
    status, text, headers = request(stream, "GET", "/metrics")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain")
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['fti_stream_events_total{group="rides_v1",outcome="refused"}']) >= 1
    assert float(lines['fti_stream_waiting{group="rides_v1"}']) == health["waiting"]["rides_v1"]
    assert float(lines["fti_stream_commit_seconds_count"]) >= 1


def test_many_senders_at_once_share_transactions(stream):
    statuses, commits = [], commits_of(stream)

    def send(n):
        statuses.append([push(stream, ride(T0, 1000 + 20 * n + m, station="b"))[0] for m in range(20)])

    threads = [threading.Thread(target=send, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [[200] * 20] * 16
    assert look(stream, "b")[0] >= 320
    assert commits_of(stream) - commits < 320


def commits_of(stream):
    text = request(stream, "GET", "/metrics")[1]
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("fti_stream_commit_seconds_count")))


def test_events_that_cannot_be_kept_are_not_acknowledged(tmp_path, monkeypatch):
    def full(*_):
        raise OnlineStoreError("The disk is full.")

    with streaming(tmp_path) as stream:
        with monkeypatch.context() as patched:
            patched.setattr(event_queue, "enqueue", full)
            status, answer, headers = request(stream, "POST", "/events/rides_v1", ride(), content_type="application/x-ndjson")
        assert (status, answer, headers["retry-after"]) == (503, {"error": "The disk is full."}, "1")
        assert look(stream) == (0, None)
        assert push(stream, ride())[1]["accepted"] == 1


def test_too_many_waiting_events_are_not_taken(tmp_path):
    with streaming(tmp_path, most_waiting=2) as stream:
        assert push(stream, ride(), ride(T0, 1))[0] == 200
        status, answer = push(stream, ride(T0, 2))
        assert status == 503
        assert "wait to be landed" in answer["error"]
        stream.land()
        assert push(stream, ride(T0, 2))[0] == 200


def test_a_landing_process_that_is_killed_holds_up_no_event_and_is_told(tmp_path):
    with streaming(tmp_path) as stream:
        assert push(stream, ride())[0] == 200
        stream.land()
        os.kill(stream._lake.pid, signal.SIGKILL)
        assert push(stream, ride(T0, 1))[0] == 200
        stream.land()
        health = request(stream, "GET", "/healthz")
        assert (health[0], health[1]["waiting"]["rides_v1"]) == (200, 1)
        assert 'fti_stream_landing_failures_total{group="rides_v1"} 1.0' in request(stream, "GET", "/metrics")[1]
        stream.land()
        assert request(stream, "GET", "/healthz")[1]["waiting"]["rides_v1"] == 0
    assert len(read_all(FeatureStore(tmp_path), RIDES.table)) == 2


def test_a_stream_that_is_stopped_does_not_wait_for_a_lake_that_is_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("fti_assets.streaming.running._CLOSING", 0.2)
    with FeatureStore(tmp_path).lake.locked("another writer"):
        with streaming(tmp_path, land_every=0.1) as stream:
            assert push(stream, ride())[0] == 200
            wait_until(lambda: stream._lake.pid is not None)
        assert not stream._landings.is_alive()
    with streaming(tmp_path) as again:
        assert request(again, "GET", "/healthz")[1]["waiting"]["rides_v1"] == 1


def test_an_error_of_ours_ends_the_stream_and_acknowledges_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    with OnlineStore(tmp_path / "online") as online:
        open_lake = partial(FeatureStore, tmp_path)
        stream = Stream(online, open_lake, GROUPS, tmp_path / "refused", Settings(port=0))
        prepare(online, open_lake, [VIEW])
        monkeypatch.setattr(event_queue, "enqueue", broken)
        with pytest.raises(StreamError, match="ended by an error"):
            push_until_it_ends(stream)


def push_until_it_ends(stream):
    with stream.running():
        assert push(stream, ride())[0] == 503
        wait_until(lambda: not stream.is_well)


def test_only_so_many_events_may_wait_for_the_online_store():
    source = HttpPush(most_pending=10)

    def push_of(rows):
        return source.submit(Batch("rides_v1", [{}] * rows))

    async def sending():
        first = asyncio.create_task(push_of(20))  # larger than what may wait, and alone
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="20 events wait to be taken"):
            await push_of(1)
        batches = next(source.batches())
        source.acknowledge(batches, [Ingested(new=20)])
        assert (await first).new == 20
        later = [asyncio.create_task(push_of(5)) for _ in range(2)]
        await asyncio.sleep(0)
        source.fail(next(source.batches()), OnlineStoreError("Full."))
        for one in later:
            with pytest.raises(StreamError, match="Full"):
                await one
        source.close()
        with pytest.raises(StreamError, match="being stopped"):
            await push_of(1)
        assert list(source.batches()) == []

    asyncio.run(sending())


def test_senders_are_asked_for_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("FTI_API_KEYS", key_line("sensors", "secret"))
    with streaming(tmp_path) as stream:
        status, _, headers = request(stream, "POST", "/events/rides_v1", ride(), content_type="application/x-ndjson")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert push(stream, ride(), authorization="Bearer other")[0] == 401
        assert push(stream, ride(), authorization="Bearer secret")[0] == 200
        assert push(stream, ride(), x_api_key="secret")[0] == 200
        assert request(stream, "GET", "/healthz")[0] == 200


def test_others_are_not_let_in_without_keys(tmp_path):
    with pytest.raises(ApiKeyError, match=r"A server on 0\.0\.0\.0 can be reached by others"):
        Stream(OnlineStore(tmp_path), partial(FeatureStore, tmp_path), GROUPS, tmp_path, Settings(host="0.0.0.0"))


def test_a_port_that_is_taken_is_said(tmp_path, stream):
    with pytest.raises(StreamError, match=f"Nothing can listen on 127.0.0.1:{stream.port}"), streaming(tmp_path, port=stream.port):
        pass


def test_a_source_that_is_none_is_said(tmp_path):
    with pytest.raises(StreamError, match="'kafka://x' is no source of events"):
        Stream(OnlineStore(tmp_path), partial(FeatureStore, tmp_path), GROUPS, tmp_path, Settings(source="kafka://x"))
