"""Windows online: what is registered, kept, let go, and loaded from the lake."""

import math
import random
import threading
from datetime import date, timedelta

import pyarrow as pa
import pytest

from fti_assets.online_store import OnlineStore, event_queue
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.window_counting import MANY
from fti_assets.online_store.window_keys import EVENTS, PLACES, TILES
from fti_assets.online_store.windows import (
    Windows,
    add_events,
    forget,
    load_events,
    register,
    registered,
    remove_events,
)
from fti_assets.vocabulary import Column, Entity, Feature, aggregate
from fti_assets_tests.feature_store.examples import ARROW, DAY, HOUR, MICROSECOND, MINUTE, T0, make_group, rows_of
from fti_assets_tests.online_store.windowing import view_of

EVENT = Entity("event", ("station", Column("n", "int")))
GROUP = make_group("events", entity=EVENT, features=("temp", Feature("place", "string")))
COUNT, MEAN = aggregate.count(last=HOUR), aggregate.mean("temp", last=HOUR)
ALL = (COUNT, MEAN, *(getattr(aggregate, name)("temp", last=HOUR) for name in ("sum", "min", "max", "std", "first", "last")))
WINDOWS = Windows(GROUP, ("station",), (COUNT, MEAN))


@pytest.fixture
def backend(online):
    return online.backend


def event(at, temp=1.0, *, station="a", n=0, place=None):
    return {"station": station, "n": n, "at": at, "temp": temp, "place": place}


def begin(backend, *selections, beyond=DAY, **options):
    with backend.writing() as writer:
        return register(writer, view_of(*(selections or (GROUP.windowed(COUNT, MEAN, by=("station",)),))), beyond=beyond, **options)


def add(backend, *events):
    with backend.writing() as writer:
        return add_events(writer, GROUP, events)


def look(backend, at=T0, *, key=("a",), windows=WINDOWS):
    with backend.reading() as reader:
        return windows.evaluate(reader, key, microseconds(at))


def kept(backend, kind):
    """How many keys of a kind there are in the tables of the group."""
    with backend.reading() as reader:
        said = registered(reader, GROUP)
        return [sum(1 for _ in reader.scan(said.table(one), kind, kind + b"\xff" * 100)) for one in said.layouts]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(T0 - MICROSECOND, (0, None), id="never_reads_the_future"),
        pytest.param(T0, (1, 1.0), id="an_event_of_the_same_time_counts"),
        pytest.param(T0 + HOUR - MICROSECOND, (1, 1.0), id="until_the_window_has_passed"),
        pytest.param(T0 + HOUR, (0, None), id="and_not_at_its_other_end"),
    ],
)
def test_an_event_counts_from_its_time_on(backend, at, expected):
    begin(backend, is_beginning=True)
    add(backend, event(T0))
    assert look(backend, at) == expected


def test_keys_without_events_and_keys_with_a_null(backend):
    begin(backend, GROUP.windowed(COUNT, MEAN, by=("place", "station")), is_beginning=True)
    add(backend, event(T0), event(T0, n=1, place="p"))
    windows = Windows(GROUP, ("place", "station"), (COUNT, MEAN))
    assert look(backend, key=("p", "a"), windows=windows) == (1, 1.0)
    assert look(backend, key=("x", "a"), windows=windows) == (0, None)
    assert look(backend, key=(None, "a"), windows=windows) == (None, None)


def test_several_keys_at_once_each_at_a_time_of_its_own(backend):
    begin(backend, is_beginning=True)
    add(backend, event(T0), event(T0 + MINUTE, 3.0, n=1), event(T0, 7.0, station="b"))
    asked = [(("b",), T0), (("a",), T0 + MINUTE), (("a",), T0), (("b",), T0)]
    with backend.reading() as reader:
        found = WINDOWS.find(reader, [(key, microseconds(at)) for key, at in asked])
    assert [one.values for one in found] == [(1, 7.0), (2, 2.0), (1, 1.0), (1, 7.0)]
    assert [one.newest for one in found] == [microseconds(at) for _, at in asked]


def test_what_was_never_registered_is_said(backend):
    with pytest.raises(OnlineStoreError, match=r"No view is registered that reads 'events_v1' through windows"):
        add(backend, event(T0))
    begin(backend, is_beginning=True)
    with pytest.raises(OnlineStoreError, match=r"aggregates 'events_v1' by place"):
        look(backend, windows=Windows(GROUP, ("place",), (COUNT,)))


def test_events_that_were_not_loaded_are_not_taken_for_none(backend):
    assert begin(backend) == [GROUP]
    add(backend, event(T0))
    assert look(backend) == (None, None)


def test_tiles_are_read_in_place_of_events(backend):
    begin(backend, is_beginning=True)
    add(backend, *(event(T0 - n * MINUTE, float(n), n=n) for n in range(120)))
    with backend.reading() as reader:
        said = registered(reader, GROUP)
        scanned = Spy(reader)
        assert WINDOWS.evaluate(scanned, ("a",), microseconds(T0)) == (60, 29.5)
    assert said.layouts[0].tile == 1 << 26  # a minute, in powers of two of microseconds
    assert scanned.events <= 4


def test_a_key_with_many_events_is_read_by_few_of_them(backend):
    """Four thousand events within 40 seconds, which are less than one of the largest tiles."""
    begin(backend, is_beginning=True)
    step = 10 * timedelta(milliseconds=1)
    for n in range(0, 4000, 1000):
        add(backend, *(event(T0 + m * step, float(m), n=m) for m in range(n, n + 1000)))
    with backend.reading() as reader:
        for last in (3999, 2718, 129, 3):
            scanned = Spy(reader)
            assert WINDOWS.evaluate(scanned, ("a",), microseconds(T0 + last * step)) == (last + 1, last / 2)
            assert scanned.events <= 3 * MANY
    found = add(backend, event(T0 + 7 * step, 4007.0, n=7), event(T0 + 400 * step, 2000.5, n=4001))
    assert found.outcomes == ("corrected", "new")
    assert look(backend, T0 + 3999 * step) == (4001, 2000.5)


def test_tiles_go_with_their_events(backend):
    begin(backend, is_beginning=True)
    events = [event(T0 + n * MICROSECOND * 1000, n=n) for n in range(300)]
    add(backend, *events)
    assert [kept(backend, level)[0] > 0 for level in TILES] == [True] * 3 + [False] * 4
    with backend.writing() as writer:
        remove_events(writer, GROUP, events[:200])
    assert [kept(backend, level)[0] for level in TILES] == [1, 0, 0, 0, 0, 0, 0]
    assert look(backend, T0 + MINUTE) == (100, 1.0)
    with backend.writing() as writer:
        remove_events(writer, GROUP, events)
    assert [kept(backend, level)[0] for level in (EVENTS, *TILES)] == [0] * 8
    assert look(backend, T0 + MINUTE) == (0, None)


class Spy:
    """A reader that counts the events that are scanned."""

    def __init__(self, reader):
        self.get_many, self.get_each, self._scan, self.events = reader.get_many, reader.get_each, reader.scan, 0

    def scan(self, table, start, end):
        for key, value in self._scan(table, start, end):
            self.events += key[:1] == EVENTS
            yield key, value


def test_old_events_are_let_go_a_few_at_a_time_and_the_window_stays_whole(backend):
    by_place = GROUP.windowed(COUNT, MEAN, by=("place",))
    begin(backend, GROUP.windowed(COUNT, MEAN, by=("station",)), by_place, beyond=timedelta(), is_beginning=True)
    start = T0 - 600 * MINUTE
    for n in range(600):
        add(backend, event(start + n * MINUTE, n=n, place="p"))
    assert kept(backend, EVENTS) == [60, 60]
    assert kept(backend, PLACES) == [0, 60]
    assert all(tiles <= 62 for tiles in kept(backend, TILES[0]))
    assert look(backend, start + 599 * MINUTE) == (60, 1.0)
    assert add(backend, event(start + 700 * MINUTE, n=700)).new == 1
    assert add(backend, *(event(start + 641 * MINUTE, n=n) for n in range(800, 1100))).new == 300
    assert look(backend, start + 700 * MINUTE) == (301, 1.0)


def test_many_events_that_are_too_old_at_once_are_let_go_over_some_batches(backend):
    begin(backend, beyond=timedelta(), is_beginning=True)
    add(backend, *(event(T0 + n * MICROSECOND, n=n) for n in range(1000)))
    left = []
    for n in range(10):
        add(backend, event(T0 + (2 + n) * HOUR, n=2000 + n))
        left += kept(backend, EVENTS)
    assert left[:3] == [901, 802, 703]
    assert look(backend, T0 + 11 * HOUR) == (1, 1.0)


def test_a_late_event_counts_as_long_as_a_window_reaches_it(backend):
    begin(backend, beyond=timedelta(), is_beginning=True)
    add(backend, event(T0))
    found = add(backend, event(T0 - HOUR + MICROSECOND, n=1), event(T0 - HOUR, n=2), event(T0 - DAY, n=3, station="b"))
    assert found.outcomes == ("new", "late", "new")
    assert (found.new, found.late) == (2, 1)
    assert look(backend) == (2, 1.0)
    assert look(backend, T0 - MICROSECOND) == (None, None)  # the window reaches the one that was not kept


def test_requests_of_the_past_are_answered_as_far_as_was_asked_for(backend):
    begin(backend, beyond=2 * HOUR, is_beginning=True)
    add(backend, *(event(T0 + n * HOUR, float(n), n=n) for n in range(12)))
    add(backend, event(T0 + 12 * HOUR, n=12))
    assert look(backend, T0 + 10 * HOUR) == (1, 10.0)
    assert look(backend, T0 + 9 * HOUR) == (None, None)


def test_a_corrected_event_moves_to_the_key_that_it_has_now(backend):
    by_place = GROUP.windowed(COUNT, MEAN, by=("place",))
    begin(backend, by_place, is_beginning=True)
    windows = Windows(GROUP, ("place",), (COUNT, MEAN))
    add(backend, event(T0, place="p"))
    assert add(backend, event(T0, 5.0, place="q")).corrected == 1
    assert look(backend, key=("p",), windows=windows) == (0, None)
    assert look(backend, key=("q",), windows=windows) == (1, 5.0)
    assert add(backend, event(T0, 5.0)).corrected == 1  # now nobody's
    assert look(backend, key=("q",), windows=windows) == (0, None)
    assert add(backend, event(T0, 5.0)).repeated == 1


def test_numbers_that_are_none(backend):
    aggregates = (aggregate.min("temp", last=HOUR), aggregate.max("temp", last=HOUR), aggregate.distinct_count("temp", last=HOUR))
    begin(backend, GROUP.windowed(*aggregates, MEAN, by=("station",)), is_beginning=True)
    windows = Windows(GROUP, ("station",), aggregates)
    add(backend, *(event(T0, temp, n=n) for n, temp in enumerate([math.nan, -math.nan, 1.0, math.inf])))
    low, high, different = look(backend, windows=windows)
    assert (low, different) == (1.0, 3)
    assert math.isnan(high)


def test_values_of_every_type_come_back_as_they_went_in(backend):
    typed = {"f": "float", "i": "int", "b": "bool", "s": "string", "t": "timestamp", "d": "date"}
    group = make_group("typed", features=tuple(Feature(name, kind) for name, kind in typed.items()))
    values = {"f": -0.0, "i": -(2**63), "b": True, "s": "ü\x00", "t": T0 + MICROSECOND, "d": date(1969, 2, 28)}
    aggregates = tuple(aggregate.last(name, last=HOUR) for name in typed)
    with backend.writing() as writer:
        register(writer, view_of(group.windowed(*aggregates)), is_beginning=True)
        add_events(writer, group, [{"station": "a", "at": T0, **values}])
        table = rows_of(group, ("b", T0, *values.values()), ("c", T0, *[None] * 6))
        assert add_events(writer, group, table).new == 2
    windows = Windows(group, ("station",), aggregates)
    assert look(backend, windows=windows) == look(backend, key=("b",), windows=windows) == tuple(values.values())
    assert look(backend, key=("c",), windows=windows) == (None,) * 6


def test_keys_that_are_longer_than_any_key_may_be(backend):
    begin(backend, GROUP.windowed(COUNT, by=("station",)), GROUP.windowed(COUNT, by=("place",)), is_beginning=True)
    long, other = "x" * 2000, "x" * 1999 + "y"
    assert add(backend, event(T0, station=long, place=long), event(T0, station=other, place=other)).new == 2
    assert add(backend, event(T0, station=long, place=long)).repeated == 1
    assert look(backend, key=(long,)) == look(backend, key=(other,), windows=Windows(GROUP, ("place",), (COUNT, MEAN))) == (1, 1.0)


def test_another_view_that_reaches_further_gets_its_answers_when_its_events_are_loaded(backend, store):
    publish(store, event(T0 - 30 * HOUR), event(T0, 3.0))
    begin(backend)
    load(backend, store)
    days = Windows(GROUP, ("station",), (aggregate.count(last=2 * DAY),))
    with backend.writing() as writer:
        assert register(writer, view_of(GROUP.windowed(COUNT, MEAN, by=("station",)))) == []
        assert register(writer, view_of(GROUP.windowed(*days.aggregates, by=("station",)), name="longer")) == [GROUP]
    assert look(backend) == (1, 3.0)
    assert look(backend, windows=days) == (None,)
    assert load(backend, store).is_anew
    assert look(backend) == (1, 3.0)
    assert look(backend, windows=days) == (2,)


def test_another_view_by_other_columns_needs_the_events_again(backend, store):
    publish(store, event(T0, place="p"))
    begin(backend)
    load(backend, store)
    by_place = Windows(GROUP, ("place",), (COUNT,))
    with backend.writing() as writer:
        assert register(writer, view_of(GROUP.windowed(COUNT, by=("place",)), name="placed")) == [GROUP]
    assert (look(backend), look(backend, key=("p",), windows=by_place)) == ((1, 1.0), (None,))
    load(backend, store)
    assert (look(backend), look(backend, key=("p",), windows=by_place)) == ((1, 1.0), (1,))


def publish(store, *events):
    columns = [column.name for column in GROUP.table.columns]
    store.upsert(GROUP, rows_of(GROUP, *(tuple(one[name] for name in columns) for one in events)))


def load(backend, store, **options):
    with backend.writing() as writer:
        return load_events(store, writer, GROUP, **options)


def test_what_was_published_since_is_loaded_corrected_and_withdrawn(backend, store):
    begin(backend)
    assert (load(backend, store).read, look(backend)) == (0, (0, None))
    publish(store, event(T0), event(T0 - MINUTE, 5.0, n=1), event(T0 - MINUTE, 9.0, n=2))
    found = load(backend, store)
    assert (found.is_anew, found.read, found.added, found.newest) == (True, 3, 3, T0)
    assert look(backend) == (3, 5.0)
    publish(store, event(T0 - MINUTE, 7.0, n=1), event(T0 + MINUTE, n=3))
    store.retract(GROUP, rows_of(GROUP, ("a", 2, T0 - MINUTE, None, None)).select(["station", "n", "at"]))
    found = load(backend, store)
    assert (found.is_anew, found.read, found.added, found.withdrawn) == (False, 2, 2, 1)
    assert look(backend) == (2, 4.0)
    assert look(backend, T0 + MINUTE) == (3, 3.0)
    assert (load(backend, store).read, load(backend, store, full=True).read) == (0, 3)
    assert look(backend, T0 + MINUTE) == (3, 3.0)


def test_history_is_replayed_by_loading_until_a_time(backend, store):
    publish(store, *(event(T0 + n * MINUTE, float(n), n=n) for n in range(5)))
    begin(backend)
    assert load(backend, store, until=T0 + 2 * MINUTE).newest == T0 + 2 * MINUTE
    assert look(backend, T0 + 4 * MINUTE) == (3, 1.0)
    found = load(backend, store, until=T0 + 3 * MINUTE)
    assert (found.is_anew, found.read) == (False, 1)
    assert look(backend, T0 + 4 * MINUTE) == (4, 1.5)
    assert (load(backend, store).read, look(backend, T0 + 4 * MINUTE)) == (1, (5, 2.0))
    found = load(backend, store, until=T0)
    assert (found.is_anew, look(backend, T0 + 4 * MINUTE)) == (True, (1, 0.0))


def test_an_event_that_waits_to_be_landed_counts_and_not_what_the_lake_has(backend, store):
    publish(store, event(T0, 1.0))
    begin(backend)
    load(backend, store)
    waiting = [event(T0, 5.0), event(T0, 7.0, n=1)]
    with backend.writing() as writer:
        add_events(writer, GROUP, waiting)
        event_queue.enqueue(writer, GROUP, waiting)
    publish(store, event(T0, 2.0))
    load(backend, store)
    assert look(backend) == (2, 6.0)
    load(backend, store, full=True)
    assert look(backend) == (2, 6.0)
    with backend.writing() as writer:
        event_queue.remove(writer, GROUP, 10, 10)
    load(backend, store, full=True)
    assert look(backend) == (1, 2.0)


def test_only_what_windows_reach_is_loaded_and_what_was_before_is_not_known(backend, store):
    publish(store, event(T0), event(T0 - 3 * HOUR, n=1), event(T0 - 2 * HOUR + MICROSECOND, n=2))
    begin(backend, beyond=HOUR)
    assert load(backend, store).read == 2
    assert look(backend, T0 - HOUR) == (1, 1.0)
    assert look(backend, T0 - HOUR - MICROSECOND) == (None, None)


def test_what_a_group_is_forgotten_of(backend):
    begin(backend, is_beginning=True)
    add(backend, event(T0))
    with backend.writing() as writer:
        forget(writer, GROUP)
        assert registered(writer, GROUP) is None
        forget(writer, GROUP)
    assert not [name for name in backend.tables() if name.startswith("windows:")]


def test_columns_that_a_group_has_since(backend, store):
    publish(store, event(T0))
    begin(backend)
    load(backend, store)
    wider = make_group("events", entity=EVENT, features=("temp", Feature("place", "string"), "wind"))
    wind = aggregate.mean("wind", last=HOUR)
    store.upsert(wider, rows_of(wider, ("a", 1, T0, 3.0, None, 8.0)))
    with backend.writing() as writer:
        assert register(writer, view_of(wider.windowed(COUNT, MEAN, wind, by=("station",)))) == [wider]
        load_events(store, writer, wider)
    assert look(backend, windows=Windows(wider, ("station",), (COUNT, MEAN, wind))) == (2, 2.0, 8.0)


def test_a_reader_sees_all_of_a_batch_or_nothing_of_it(backend, address):
    """Each batch puts a pair of events that cancel each other out where one was before, in other tiles, and moves both on."""
    begin(backend, beyond=timedelta(), is_beginning=True)
    sums = Windows(GROUP, ("station",), (aggregate.sum("temp", last=HOUR), COUNT))
    writing = threading.Thread(target=write_pairs, args=(address, 150))
    writing.start()
    found = []
    with OnlineStore(address) as other:
        while writing.is_alive():
            found.append(look(other.backend, T0 + DAY, windows=sums))
    writing.join()
    assert look(backend, T0 + DAY, windows=sums) == (0.0, 6)
    assert {total for total, _ in found} <= {None, 0.0}
    assert {count % 2 for _, count in found} == {0}
    assert len({count for _, count in found}) > 1


def write_pairs(address, batches):
    with OnlineStore(address) as store:
        for n in range(batches):
            pair = [event(T0 + DAY - m * MINUTE, sign * (n + 1.0), n=m) for m, sign in ((n % 3, 1), (50 + n % 3, -1))]
            with store.writing() as writer:
                add_events(writer, GROUP, pair)


TYPED = make_group(
    "typed",
    entity=EVENT,
    features=("temp", Feature("whole", "int"), Feature("word", "string"), Feature("yes", "bool"), Feature("born", "date")),
)
OF_NUMBERS = ("count", "sum", "mean", "min", "max", "std", "first", "last", "distinct_count")
FIGURES = (
    aggregate.count(last=HOUR),
    *(getattr(aggregate, f)(c, last=last) for f in OF_NUMBERS for c in ("temp", "whole") for last in (HOUR, 10 * HOUR)),
    *(aggregate.percentile(c, share, last=10 * HOUR) for c in ("temp", "whole") for share in (0, 0.37, 1)),
    *(getattr(aggregate, f)(c, last=HOUR) for f in ("count", "min", "max", "first", "last") for c in ("word", "yes", "born", "at")),
    aggregate.distinct_count("word", last=HOUR),
)


@pytest.mark.parametrize("by", [("station",), ("word", "station")], ids="_".join)
def test_online_is_what_the_join_gives(backend, store, by):
    """Events of real stores, many at the same times, published together, against DuckDB's answers at 200 times."""
    rng = random.Random(2)
    moments = [T0 + rng.randrange(-1000, 0) * MINUTE for _ in range(900)]
    rows = [(rng.choice("ab"), n, at, *_values(rng)) for n, at in enumerate(moments)]
    store.upsert(TYPED, rows_of(TYPED, *rows))
    with backend.writing() as writer:
        register(writer, view_of(TYPED.windowed(*FIGURES, by=by)))
        load_events(store, writer, TYPED)
    words = [rng.choice(["x", "y", None, "none"]) for _ in range(200)]
    times = [T0 + rng.randrange(-60_000, 3_000) * timedelta(seconds=1) for _ in range(100)] + moments[:100]
    spine = pa.table({"station": ["a", "b"] * 100, "word": words, "t": pa.array(times, ARROW["timestamp"])})
    names = [f"x_{one.name}" for one in FIGURES]
    offline = (
        store.get_features([TYPED.windowed(*FIGURES, by=by).prefixed("x_")], spine, at="t").to_arrow().select(names).to_pylist()
    )
    windows = Windows(TYPED, by, FIGURES)
    asked = [([row[name] for name in by], microseconds(row["t"])) for row in spine.to_pylist()]
    with backend.reading() as reader:
        online = [one.values for one in windows.find(reader, asked)]
    for found, expected in zip(online, offline, strict=True):
        for one, value, joined in zip(FIGURES, found, expected.values(), strict=True):
            assert value == (pytest.approx(joined, rel=1e-9) if isinstance(joined, float) else joined), one


def _values(rng):
    temp = rng.choice([None, rng.uniform(-50, 50), 3.0])
    whole = rng.choice([None, rng.randrange(-(2**40), 2**40), 7])
    born = rng.choice([None, date(2020, 1, 1 + rng.randrange(9))])
    return temp, whole, rng.choice([None, "x", "y"]), rng.choice([None, True, False]), born
