"""A day of history, sent at the pace at which it happened."""

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import FeatureStore
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.replay import EventSender, events_of_day, replay
from fti_assets_tests.feature_store.examples import rows_of
from fti_assets_tests.streaming.examples import DAYS, HOUR, MINUTE, RIDES, T0, ride


class Clock:
    """A clock that goes on only while one sleeps."""

    def __init__(self):
        self.now, self.slept = 100.0, 0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1


@pytest.mark.parametrize(("speed", "seconds"), [(1, 120), (60, 2), (1_000_000, 0)])
def test_events_are_sent_when_their_time_has_come(speed, seconds):
    clock, sent = Clock(), []

    def send(events):
        sent.append((clock.now - 100, len(events)))
        return {"accepted": len(events), "repeated": 0, "refused_count": 0}

    times = [T0, T0, T0 + MINUTE, T0 + 2 * MINUTE]
    told = list(replay([(at, ride(at)) for at in times], send, speed=speed, clock=clock, sleep=clock.sleep))
    assert sum(count for _, count in sent) == told[-1].accepted == 4
    assert sent[0] == (0, 2)
    assert sent[-1][0] == pytest.approx(seconds, abs=0.1)
    assert told[-1].until == T0 + 2 * MINUTE


def test_many_events_at_once_are_sent_in_portions():
    sizes = []

    def send(events):
        sizes.append(len(events))
        return {"accepted": 0, "repeated": len(events), "refused_count": 0}

    (*_, last) = replay([(T0, b"")] * 2500, send, speed=1)
    assert (sizes, last.repeated) == ([1000, 1000, 500], 2500)


def test_the_events_of_a_day_are_in_the_order_of_their_times(tmp_path):
    store = FeatureStore(tmp_path)
    with pytest.raises(NotFoundError, match="nothing was ever published"):
        events_of_day(store, RIDES, DAYS.window("2024-01-10"))
    store.upsert(
        RIDES, rows_of(RIDES, ("a", 1, T0, 5.0, "L1"), ("a", 0, T0 - HOUR, 5.0, "L1"), ("a", 2, T0 + 20 * HOUR, 5.0, "L1"))
    )
    found = events_of_day(store, RIDES, DAYS.window("2024-01-10"))
    assert [at for at, _ in found] == [T0 - HOUR, T0]
    assert b'"left_at":"2024-01-10T11:00:00Z"' in found[0][1]
    with pytest.raises(NotFoundError, match="there is nothing to replay"):
        events_of_day(store, RIDES, DAYS.window("2024-01-12"))


def test_a_server_that_is_not_there(monkeypatch):
    sender = EventSender("127.0.0.1", 9)
    assert not sender.is_there()
    monkeypatch.setattr("fti_assets.streaming.replay._PATIENCE", 0.1)
    with pytest.raises(StreamError, match=r"could not take events for 0\.1 s: .*refused"):
        sender.send("rides_v1", [ride()])
