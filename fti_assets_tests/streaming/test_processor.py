"""Events into the online store: what each becomes there, and what waits to be landed, in one transaction."""

import pytest

from fti_assets.errors import NotFoundError
from fti_assets.online_store import OnlineStore, OnlineStoreError, event_queue
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.stored_rows import stored_rows
from fti_assets.online_store.windows import Windows
from fti_assets.streaming.groups import streamed_groups
from fti_assets.streaming.processor import Ingested, StreamProcessor
from fti_assets.vocabulary import FeatureView
from fti_assets_tests.feature_store.examples import OUTCOMES, TRIPS
from fti_assets_tests.streaming.examples import COUNT, GROUPS, HOUR, MEAN, MINUTE, RIDES, STATIONS, T0, VIEW, processor_of, ride

WINDOWS = Windows(RIDES, ("station",), (COUNT, MEAN))


@pytest.fixture(params=["lmdb", pytest.param("redis", marks=pytest.mark.redis)])
def online(request, tmp_path):
    address = tmp_path / "online" if request.param == "lmdb" else request.getfixturevalue("redis_server").new_database()
    with OnlineStore(address) as store:
        yield store


@pytest.fixture
def processor(online, tmp_path):
    return processor_of(online, tmp_path)


def ingest(processor, *lines, group="rides_v1"):
    return processor.ingest([processor.read(group, lines)])[0]


def look(online, at=T0, station="a"):
    with online.reading() as reader:
        return WINDOWS.evaluate(reader, (station,), microseconds(at))


def queued(online, group=RIDES):
    with online.reading() as reader:
        return [(one.row["ride" if group is RIDES else "open"], one.is_last) for one in event_queue.oldest(reader, group, 1000)]


def test_events_are_readable_and_wait_to_be_landed(online, processor):
    assert ingest(processor, ride(), ride(T0 - MINUTE, 1, delay=7.0)) == Ingested(new=2)
    assert look(online) == (2, 6.0)
    assert queued(online) == [(0, True), (1, True)]
    assert processor.waiting() == {"rides_v1": 2, "stations_v2": 0}


def test_what_comes_again_changes_nothing_and_what_is_corrected_takes_its_place(online, processor):
    ingest(processor, ride(), ride(T0, 1))
    assert ingest(processor, ride(), ride(T0, 1, delay=9.0), ride(T0, 1, delay=9.0)) == Ingested(repeated=2, corrected=1)
    assert look(online) == (2, 7.0)
    assert queued(online) == [(0, True), (1, False), (1, True)]


def test_late_events_wait_to_be_landed_though_no_window_reaches_them(online, processor):
    ingest(processor, ride())
    assert ingest(processor, ride(T0 - 26 * HOUR, 1)) == Ingested(late=1)
    assert queued(online) == [(0, True), (1, True)]


def test_refused_events_are_among_the_dead_letters_and_the_others_are_taken(online, processor, tmp_path):
    assert ingest(processor, ride(), b"x", ride(station="y")) == Ingested(new=1, refused=2)
    assert ingest(processor, b"x") == Ingested(refused=1)
    assert len((tmp_path / "refused" / "rides_v1.ndjson").read_bytes().splitlines()) == 3
    assert look(online) == (1, 5.0)


def test_batches_of_several_senders_and_groups_are_one_transaction(online, processor):
    sent = [
        processor.read("rides_v1", [ride()]),
        processor.read("stations_v2", [station(), station(T0 - MINUTE, is_open=False)]),
        processor.read("rides_v1", [b"x"]),
        processor.read("rides_v1", [ride(), ride(T0, 1)]),
    ]
    assert processor.ingest(sent) == [Ingested(new=1), Ingested(new=2), Ingested(refused=1), Ingested(new=1, repeated=1)]
    assert queued(online, STATIONS) == [(True, True), (False, True)]


def station(at=T0, *, is_open=True):
    return f'{{"station": "a", "known_at": "{at.isoformat()}", "open": {str(is_open).lower()}, "since": "2024-01-01"}}'.encode()


def test_the_newest_event_of_an_entity_is_its_online_row(online, processor):
    ingest(processor, station(), group="stations_v2")
    ingest(processor, station(T0 - MINUTE, is_open=False), group="stations_v2")
    table = online.table(STATIONS)
    with online.reading() as reader:
        (row,) = stored_rows(reader, table, [("a",)])
    assert (row.values["open"], row.event_time) == (True, microseconds(T0))
    ingest(processor, station(T0 + MINUTE, is_open=False), group="stations_v2")
    with online.reading() as reader:
        assert stored_rows(reader, table, [("a",)])[0].values["open"] is False


def test_of_a_group_that_is_read_through_windows_no_rows_are_kept(online, processor):
    ingest(processor, ride())
    assert [table.name for table in online.tables()] == []


def test_no_more_may_wait_than_is_allowed(online, tmp_path):
    processor = processor_of(online, tmp_path, most_waiting=3)
    assert ingest(processor, ride(), ride(T0, 1)) == Ingested(new=2)
    sent = [processor.read("rides_v1", lines) for lines in ([ride(T0, 2)], [ride(T0, 3), b"x"], [ride(T0, 4)])]
    taken, full, other = processor.ingest(sent)
    assert taken == Ingested(new=1)
    assert (full.new, full.refused, other.new) == (0, 1, 0)
    assert (
        full.error
        == other.error
        == (
            "2 events of 'rides_v1' wait to be landed in the lake, and no more may."
            " Send them again later; see whether the lake can be written."
        )
    )
    assert look(online) == (3, 5.0)
    assert ingest(processor, ride()).error is not None
    with online.writing() as writer:
        event_queue.remove(writer, RIDES, 2, 10)
    assert ingest(processor, ride(T0, 3)) == Ingested(new=1)


def test_a_transaction_that_fails_keeps_nothing(online, processor, monkeypatch):
    def full(*_):
        raise OnlineStoreError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(event_queue, "enqueue", full)
        with pytest.raises(OnlineStoreError):
            ingest(processor, ride())
    assert (look(online), queued(online), processor.waiting()["rides_v1"]) == ((0, None), [], 0)
    assert ingest(processor, ride()) == Ingested(new=1)


def test_a_group_that_takes_no_events_is_not_there(processor):
    with pytest.raises(NotFoundError, match=r"Group 'rides' is not in the groups that take events. Did you mean 'rides_v1'"):
        processor.read("rides", [ride()])


def test_which_groups_take_events():
    assert [(one.name, one.is_windowed, one.is_row) for one in GROUPS] == [
        ("rides_v1", True, False),
        ("stations_v2", False, True),
    ]
    both = FeatureView(
        name="both",
        version=1,
        spine=TRIPS,
        at="asked_at",
        features=(VIEW.features[0], RIDES["line"].on(station="station", ride="trip").prefixed("ride_")),
        label=OUTCOMES["late"],
    )
    (rides,) = streamed_groups([RIDES], [both])
    assert (rides.is_windowed, rides.is_row) == (True, True)
    with pytest.raises(NotFoundError, match="no feature group that takes events"):
        streamed_groups([TRIPS], [VIEW])


def test_a_processor_that_starts_again_goes_on_where_the_other_was(online, processor, tmp_path):
    ingest(processor, ride())
    again = StreamProcessor(online, GROUPS, processor._dead_letters, clock=lambda: T0 + HOUR)
    assert again.waiting()["rides_v1"] == 1
    assert ingest(again, ride(), ride(T0, 1)) == Ingested(new=1, repeated=1)
    assert queued(online) == [(0, True), (1, True)]
