"""Windows online against plain loops over rows: whatever the order, however often events come, whatever is corrected."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fti_assets.online_store import window_counting, window_reading
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.lmdb_backend import LmdbBackend
from fti_assets.online_store.window_layouts import forget
from fti_assets.online_store.windows import Windows, add_events, register, remove_events
from fti_assets.vocabulary import Column, Entity, Feature, aggregate
from fti_assets_tests.feature_store import oracle
from fti_assets_tests.feature_store.examples import T0, make_group
from fti_assets_tests.online_store.windowing import view_of

MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)
LONG = 200 * MINUTE
PAST = datetime(2025, 1, 1, tzinfo=UTC)
EVENT = Entity("event", ("station", Column("n", "int")))
GROUP = make_group(
    "events", entity=EVENT, features=("temp", Feature("whole", "int"), Feature("word", "string"), Feature("place", "string"))
)
NAMES = ("station", "n", "at", "temp", "whole", "word", "place")
COLUMNS = ("temp", "whole")
AGGREGATES = (
    aggregate.count(last=LONG),
    aggregate.count(last=MINUTE),
    *(
        getattr(aggregate, name)(column, last=last)
        for column in COLUMNS
        for name in oracle.FIGURES
        for last in (MINUTE, 20 * MINUTE, LONG)
    ),
    *(aggregate.percentile(column, 0.9, last=LONG) for column in COLUMNS),
    *(getattr(aggregate, name)("word", last=LONG) for name in ("count", "min", "max", "first", "last", "distinct_count")),
    aggregate.last("at", last=LONG),
)
BY_TILES = tuple(
    one for one in AGGREGATES if one.column in (None, *COLUMNS) and one.function not in ("distinct_count", "percentile")
)
FLOATS = st.one_of(st.none(), st.integers(0, 9).map(float), st.floats(-1e9, 1e9))
WHOLE = st.one_of(st.none(), st.integers(-3, 3), st.integers(-(2**62), 2**62))
MOMENTS = st.one_of(
    st.tuples(st.integers(-3, 3), st.integers(-1, 1)).map(lambda n: T0 + n[0] * MINUTE + n[1] * MICROSECOND),
    st.integers(-250, 0).map(lambda n: T0 + n * MINUTE),
    st.integers(-250 * 60_000_000, 0).map(lambda n: T0 + n * MICROSECOND),
)
KEYS = st.tuples(st.sampled_from("ab"), st.integers(0, 3))
VALUES = st.tuples(FLOATS, WHOLE, st.sampled_from([None, "", "x", "ü\x00"]), st.sampled_from([None, "p", "q"]))
EVENTS = st.lists(st.tuples(KEYS, MOMENTS, VALUES), max_size=60)
PLACES = {"temp": 0, "whole": 1, "word": 2}
LAYOUTS = [pytest.param(("station",), "ab", id="of_the_entity"), pytest.param(("place",), "pq", id="that_corrections_change")]
CHECKED = settings(phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", params=[128, 2], ids=["few_in_a_tile", "many_in_a_tile"], autouse=True)
def many(request):
    """How many events a tile has before it is cut."""
    with patch.object(window_counting, "MANY", request.param), patch.object(window_reading, "MANY", request.param):
        yield


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    return LmdbBackend(tmp_path_factory.mktemp("online"), durable=False)


def rows(events):
    return [dict(zip(NAMES, (*key, at, *values), strict=True)) for key, at, values in events]


def fill(backend, by, batches, *, beyond=timedelta(days=1)):
    """Adds events from nothing, each batch in a transaction; returns what became of each."""
    with backend.writing() as writer:
        forget(writer, GROUP)
        register(writer, view_of(GROUP.windowed(*AGGREGATES, by=by)), beyond=beyond, is_beginning=True)
    outcomes = []
    for batch in batches:
        with backend.writing() as writer:
            outcomes += add_events(writer, GROUP, rows(batch)).outcomes
    return outcomes


def history_of(events, one, by):
    """The events that stand at the end, as the oracle has them; at one time in the order of their keys."""
    standing = {(key, at): values for key, at, values in events}
    found = []
    for (key, at), values in sorted(standing.items(), key=lambda event: event[0]):
        value = at if one.column == "at" else values[PLACES.get(one.column, 0)]
        found.append(oracle.Version((key[0] if by == ("station",) else values[3],), at, value, PAST))
    return found


def wanted(one, history, key, at):
    if one.column == "whole" and one.function in ("sum", "mean"):  # the loop adds floats
        values = [value for value in oracle.in_window(history, (key,), at, one.last) if value is not None]
        return None if not values else sum(values) / (len(values) if one.function == "mean" else 1)
    return oracle.figure(one, history, (key,), at)


def agrees(found, expected):
    if isinstance(expected, float):
        return found is not None and found == pytest.approx(expected, rel=1e-9, abs=1e-140)  # the squares of less are nothing
    return found == expected


def disagreements(backend, by, aggregates, events, keys, times):
    windows, found = Windows(GROUP, by, aggregates), []
    with backend.reading() as reader:
        for key, at in ((key, at) for key in keys for at in times):
            values = windows.evaluate(reader, (key,), microseconds(at))
            for one, value in zip(aggregates, values, strict=True):
                expected = wanted(one, history_of(events, one, by), key, at)
                if not agrees(value, expected):
                    found.append((one.name, key, at, value, expected))
    return found


@pytest.mark.parametrize("aggregates", [pytest.param(AGGREGATES, id="all"), pytest.param(BY_TILES, id="by_tiles")])
@pytest.mark.parametrize(("by", "keys"), LAYOUTS)
@CHECKED
@given(batches=st.lists(EVENTS, max_size=4), times=st.lists(MOMENTS, min_size=1, max_size=3))
def test_windows_are_what_a_loop_computes(backend, by, keys, aggregates, batches, times):
    fill(backend, by, batches)
    events = [event for batch in batches for event in batch]
    assert disagreements(backend, by, aggregates, events, keys, [*times, T0]) == []


@pytest.mark.parametrize(("by", "keys"), LAYOUTS)
@CHECKED
@given(events=EVENTS, rng=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, 60), max_size=3))
def test_the_order_in_which_events_come_makes_no_difference(backend, by, keys, events, rng, cuts):
    different = list({(key, at): (key, at, values) for key, at, values in events}.values())
    windows, found = Windows(GROUP, by, AGGREGATES), []
    for order in (different, rng.sample(different * 2, 2 * len(different))):
        places = [0, *sorted(min(cut, len(order)) for cut in cuts), len(order)]
        fill(backend, by, [order[start:end] for start, end in pairwise(places)])
        with backend.reading() as reader:
            found.append([windows.evaluate(reader, (key,), microseconds(T0 + n * MINUTE)) for key in keys for n in (-60, 0)])
    for one, other in zip(*found, strict=True):
        assert all(agrees(value, expected) for value, expected in zip(one, other, strict=True)), (one, other)


@pytest.mark.parametrize(("by", "keys"), LAYOUTS)
@CHECKED
@given(batches=st.lists(EVENTS, max_size=4))
def test_each_event_is_told_to_be_new_repeated_or_corrected(backend, by, keys, batches):
    standing, expected = {}, []
    for key, at, values in (event for batch in batches for event in batch):
        before = standing.get((key, at))
        expected.append("new" if before is None else "repeated" if bits(before) == bits(values) else "corrected")
        standing[key, at] = values
    assert fill(backend, by, batches) == expected


def bits(values):
    """Values as they are stored: of two zeros one is less than nothing."""
    return [value.hex() if isinstance(value, float) else value for value in values]


@pytest.mark.parametrize(("by", "keys"), LAYOUTS)
@CHECKED
@given(batches=st.lists(EVENTS, max_size=3), withdrawn=st.lists(st.integers(0, 200), max_size=20))
def test_events_that_are_withdrawn_do_not_count(backend, by, keys, batches, withdrawn):
    fill(backend, by, batches)
    events = {(key, at): (key, at, values) for batch in batches for key, at, values in batch}
    gone = [events[moment] for n, moment in enumerate(events) if n in withdrawn]
    with backend.writing() as writer:
        assert remove_events(writer, GROUP, rows(gone)).corrected == len(gone)
        assert remove_events(writer, GROUP, rows(gone)).repeated == len(gone)
    assert disagreements(backend, by, BY_TILES, [one for one in events.values() if one not in gone], keys, [T0]) == []


@pytest.mark.parametrize(("by", "keys"), LAYOUTS)
@CHECKED
@given(batches=st.lists(EVENTS, max_size=4), times=st.lists(st.integers(0, 300), min_size=1, max_size=3))
def test_what_is_let_go_is_never_missed_silently(backend, by, keys, batches, times):
    """With nothing kept beyond the longest window: each answer is right, or says that it is not known."""
    fill(backend, by, batches, beyond=timedelta())
    events = [event for batch in batches for event in batch]
    windows = Windows(GROUP, by, BY_TILES)
    with backend.reading() as reader:
        for key, at in ((key, T0 - n * MINUTE) for key in keys for n in times):
            (found,) = windows.find(reader, [((key,), microseconds(at))])
            newest = max((one.time for one in history_of(events, BY_TILES[0], by) if one.key == (key,)), default=at)
            assert found.is_known or at < newest
            for one, value in zip(BY_TILES, found.values, strict=True):
                assert agrees(value, wanted(one, history_of(events, one, by), key, at)) if found.is_known else value is None
