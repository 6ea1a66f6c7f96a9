"""Events of Redis streams, from a real server: acknowledged when durable, and read again until then."""

import threading
from contextlib import closing, contextmanager
from functools import partial

import pytest
import redis

from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore, OnlineStoreError
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.windows import Windows
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.running import Settings, Stream, prepare
from fti_assets.streaming.sources.redis_stream import RedisStreams
from fti_assets_tests.online_store.servers import redis_binary, running_redis
from fti_assets_tests.streaming.examples import COUNT, GROUPS, MEAN, RIDES, T0, VIEW, processor_of, ride, wait_until

pytestmark = pytest.mark.redis
RIDES_STREAM, STATIONS_STREAM = "fti:events:rides_v1", "fti:events:stations_v2"


@pytest.fixture
def address(redis_server):
    return redis_server.new_database()


@pytest.fixture
def client(address):
    with closing(redis.Redis.from_url(address)) as made:
        yield made


def send(client, *events, stream=RIDES_STREAM):
    for event in events:
        client.xadd(stream, {"event": event})


def pending(client, stream=RIDES_STREAM):
    return client.xpending(stream, "fti")["pending"]


def next_batch(source):
    """What the source gives next."""
    return next(iter(source.batches()))


def taken(source, processor):
    """Takes one batch as a stream does."""
    batches = next_batch(source)
    outcomes = processor.ingest(batches)
    source.acknowledge(batches, outcomes)
    return outcomes


def test_events_are_acknowledged_when_they_are_durable(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    source = RedisStreams(address, processor)
    send(client, ride(), ride(T0, 1), b"x")
    batches = next_batch(source)
    assert [(batch.group, len(batch.rows), len(batch.refused)) for batch in batches] == [("rides_v1", 2, 1)]
    assert pending(client) == 3
    outcomes = processor.ingest(batches)
    assert pending(client) == 3
    source.acknowledge(batches, outcomes)
    assert (pending(client), outcomes[0].new, outcomes[0].refused) == (0, 2, 1)


def test_what_was_not_acknowledged_comes_again_after_a_restart(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    send(client, ride(), ride(T0, 1))
    processor.ingest(next_batch(RedisStreams(address, processor)))  # and then it is killed
    send(client, ride(T0, 2))
    again = RedisStreams(address, processor)
    (first,) = taken(again, processor)
    (then,) = taken(again, processor)
    assert (first.repeated, first.new, then.new, pending(client)) == (2, 0, 1, 0)


def test_what_another_consumer_left_is_taken_over(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    send(client, ride())
    next_batch(RedisStreams(address, processor, consumer="gone"))
    source = RedisStreams(address, processor, consumer="here", idle=0)
    assert taken(source, processor)[0].new == 1
    assert pending(client) == 0


def test_events_that_were_not_kept_come_again(address, client, online, tmp_path, monkeypatch):
    processor = processor_of(online, tmp_path)
    source = RedisStreams(address, processor)
    monkeypatch.setattr(source._closed, "wait", lambda seconds: False)
    send(client, ride())
    source.fail(next_batch(source), OnlineStoreError("The disk is full."))
    assert pending(client) == 1
    assert taken(source, processor)[0].new == 1
    assert pending(client) == 0


def test_events_that_there_was_no_room_for_come_again(address, client, online, tmp_path, monkeypatch):
    processor = processor_of(online, tmp_path, most_waiting=1)
    source = RedisStreams(address, processor)
    monkeypatch.setattr(source._closed, "wait", lambda seconds: False)
    send(client, ride(), ride(T0, 1))
    assert taken(source, processor)[0].error is not None
    assert taken(source, processor)[0].error is not None
    processor._most_waiting = 2
    assert taken(source, processor)[0].new == 2
    assert pending(client) == 0


def test_deleted_entries_are_passed_over(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    send(client, ride())
    next_batch(RedisStreams(address, processor))
    client.xtrim(RIDES_STREAM, maxlen=0)
    (outcome,) = taken(RedisStreams(address, processor), processor)
    assert (outcome.new, outcome.refused, pending(client)) == (0, 0, 0)


def test_the_streams_of_all_groups_are_read_together(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    source = RedisStreams(address, processor)
    send(client, ride())
    send(client, b'{"station": "a", "known_at": "2024-01-10T12:00:00Z"}', stream=STATIONS_STREAM)
    client.xadd(RIDES_STREAM, {"other": "field"})
    outcomes = taken(source, processor)
    assert sorted((outcome.new, outcome.refused) for outcome in outcomes) == [(1, 0), (1, 1)]


def test_other_names_of_streams_and_of_the_consumer_group(address, client, online, tmp_path):
    processor = processor_of(online, tmp_path)
    source = RedisStreams(f"{address}?prefix=my&group=mine", processor)
    send(client, ride(), stream="my:rides_v1")
    assert taken(source, processor)[0].new == 1
    assert client.xpending("my:rides_v1", "mine")["pending"] == 0


def test_an_address_that_is_none(online, tmp_path):
    with pytest.raises(StreamError, match="not redis://host:port/db"):
        RedisStreams("http://x", processor_of(online, tmp_path))


@contextmanager
def following(folder, address):
    with OnlineStore(folder / "online") as online:
        open_lake = partial(FeatureStore, folder)
        stream = Stream(online, open_lake, GROUPS, folder / "refused", Settings(source=address, port=0, land_every=1000))
        prepare(online, open_lake, [VIEW])
        with stream.running():
            yield stream, online


def test_a_stream_that_follows_redis(address, client, tmp_path):
    windows = Windows(RIDES, ("station",), (COUNT, MEAN))
    send(client, ride())
    with following(tmp_path, address) as (_, online):
        send(client, ride(T0, 1, delay=7.0))
        wait_until(lambda: look(online, windows) == (2, 6.0))
        wait_until(lambda: pending(client) == 0)


def look(online, windows):
    with online.reading() as reader:
        return windows.evaluate(reader, ("a",), microseconds(T0))


def test_a_server_that_is_away_is_waited_for(online, tmp_path):
    binary = redis_binary()
    if binary is None:
        pytest.skip("Redis is not installed: apt-get install redis-server")
    processor = processor_of(online, tmp_path)
    with running_redis(binary, tmp_path) as server:
        address = server.new_database()
        source = RedisStreams(address, processor)
        with closing(redis.Redis.from_url(address)) as client:
            send(client, ride())
        assert taken(source, processor)[0].new == 1
    reading = threading.Thread(target=lambda: list(source.batches()))
    reading.start()
    reading.join(1)
    assert reading.is_alive()
    source.close()
    reading.join(30)
    assert not reading.is_alive()
