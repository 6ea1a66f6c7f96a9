"""Events into the lake: each once, whatever fails between, and the newest correction of each."""

import threading
from dataclasses import replace
from functools import partial

import pytest

from fti_assets.feature_store import FeatureStore, LockedError
from fti_assets.online_store import event_queue
from fti_assets.streaming import landing as landing_module
from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.landing import Lander, Landing
from fti_assets.streaming.upserting import upsert
from fti_assets.vocabulary import Feature
from fti_assets_tests.feature_store.examples import read_all
from fti_assets_tests.streaming.examples import GROUPS, HOUR, MINUTE, RIDES, SECOND, T0, processor_of, ride, wait_until

(STREAMED, _) = GROUPS


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path)


@pytest.fixture
def processor(online, tmp_path):
    return processor_of(online, tmp_path)


def ingest(processor, *lines):
    return processor.ingest([processor.read("rides_v1", lines)])[0]


def lander_of(online, store, streamed=STREAMED, **options):
    """One that does in this process what a stream has another do."""
    return Lander(online, partial(upsert, online, store), streamed, **options)


def landed(store):
    """Rides and delays in the lake."""
    return {(row[1], row[2]): row[3] for row in read_all(store, RIDES.table)}


def test_events_are_landed_batch_by_batch_and_wait_no_more(online, store, processor):
    lander = lander_of(online, store, most=2)
    ingest(processor, *(ride(T0 + n * SECOND, n, delay=float(n)) for n in range(3)))
    found = lander.land()
    assert (found.events, found.changed, lander.waiting()) == (2, 2, 1)
    assert lander.land().events == 1
    assert lander.land() is None
    assert landed(store) == {(n, T0 + n * SECOND): float(n) for n in range(3)}


def test_landed_events_leave_the_queue_a_few_at_a_time_and_those_that_came_meanwhile_stay(online, store, processor, monkeypatch):
    lander = lander_of(online, store)
    ingest(processor, *(ride(T0, n) for n in range(5)))
    waiting = []

    def breathe(_):
        waiting.append(lander.waiting())
        ingest(processor, ride(T0, 4, delay=float(10 + len(waiting))))  # the last of those that are being landed, corrected

    monkeypatch.setattr(landing_module, "_REMOVED_AT_ONCE", 2)
    monkeypatch.setattr(landing_module.time, "sleep", breathe)
    assert lander.land().events == 5
    assert waiting == [3, 2]
    assert lander.waiting() == 2
    monkeypatch.undo()
    assert lander.land().changed == 1
    assert landed(store) == {(n, T0): 5.0 for n in range(4)} | {(4, T0): 12.0}


def test_of_an_event_and_its_correction_the_correction_is_landed(online, store, processor):
    lander = lander_of(online, store, most=1)
    ingest(processor, ride(delay=1.0), ride(delay=2.0))
    assert (lander.land().changed, landed_or_none(store)) == (0, None)
    assert (lander.land().changed, landed(store)) == (1, {(0, T0): 2.0})


def landed_or_none(store):
    return landed(store) if store.lake.is_there else None


def test_an_event_that_is_corrected_while_it_is_landed_is_landed_again(online, store, processor, monkeypatch):
    lander = lander_of(online, store)
    ingest(processor, ride(delay=1.0))
    into_lake = FeatureStore.upsert

    def meanwhile(*args, **kwargs):
        done = into_lake(*args, **kwargs)
        ingest(processor, ride(delay=2.0))
        return done

    with monkeypatch.context() as patched:
        patched.setattr(FeatureStore, "upsert", meanwhile)
        lander.land()
    assert (landed(store), lander.waiting()) == ({(0, T0): 1.0}, 1)
    lander.land()
    assert landed(store) == {(0, T0): 2.0}


def test_killed_between_the_lake_and_the_queue_nothing_is_there_twice(online, store, processor, monkeypatch):
    lander = lander_of(online, store)
    ingest(processor, ride(), ride(T0, 1))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(event_queue, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            lander.land()
    hashed = store.content_hash(RIDES.table)
    assert lander.waiting() == 2
    found = lander.land()
    assert (found.events, found.changed, lander.waiting()) == (2, 0, 0)
    assert (store.content_hash(RIDES.table), len(landed(store))) == (hashed, 2)


def test_a_lake_that_is_locked_lets_events_wait_and_come_later(online, store, processor, monkeypatch):
    told = []
    landing = Landing(
        [lander_of(online, store)],
        every=0.05,
        landed=lambda group, found: told.append(found.events),
        failed=lambda group, error: told.append(type(error).__name__),
    )

    def locked(*_, **__):
        if len(told) < 2:
            raise LockedError("The lake was locked.")
        monkeypatch.undo()
        return store.upsert(*_[1:], **__)

    monkeypatch.setattr(FeatureStore, "upsert", locked)
    running = threading.Thread(target=landing.run)
    running.start()
    ingest(processor, ride())
    wait_until(lambda: told and told[-1] == 1)
    landing.stop()
    running.join()
    assert told == ["LockedError", "LockedError", 1]
    assert landed(store) == {(0, T0): 5.0}


def test_many_events_are_landed_before_their_time(online, store, processor):
    told = []
    landing = Landing([lander_of(online, store, most=2)], every=1000, most=2, landed=lambda group, found: told.append(found.events))
    running = threading.Thread(target=landing.run)
    running.start()
    ingest(processor, ride(), ride(T0, 1), ride(T0, 2))
    wait_until(lambda: told)
    landing.stop()
    running.join()
    assert sum(told) >= 2


def test_late_events_are_landed_too(online, store, processor):
    ingest(processor, ride())
    ingest(processor, ride(T0 - 100 * HOUR, 1), ride(T0 - 30 * MINUTE, 2))
    lander_of(online, store).land()
    assert set(landed(store)) == {(0, T0), (1, T0 - 100 * HOUR), (2, T0 - 30 * MINUTE)}


def test_the_queue_survives_a_group_that_has_a_new_column(online, store, processor):
    ingest(processor, ride())
    wider = replace(RIDES, features=(*RIDES.features, Feature("crowded", "bool")))
    lander_of(online, store, StreamedGroup(wider, is_windowed=True, is_row=False)).land()
    assert read_all(store, wider.table) == [("a", 0, T0, 5.0, "L1", None)]


def test_two_that_land_the_same_events_lose_none_and_count_right(online, store, processor, monkeypatch):
    ingest(processor, *(ride(T0, n) for n in range(4)))
    first, second = (lander_of(online, store, most=2) for _ in range(2))
    into_lake = FeatureStore.upsert

    def meanwhile(*args, **kwargs):
        monkeypatch.undo()
        second.land()
        second.land()
        return into_lake(*args, **kwargs)

    monkeypatch.setattr(FeatureStore, "upsert", meanwhile)
    first.land()
    assert first.waiting() == 0
    ingest(processor, ride(T0, 4))
    assert (first.land().events, len(landed(store))) == (1, 5)
