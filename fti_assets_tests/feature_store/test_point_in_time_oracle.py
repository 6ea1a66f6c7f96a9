"""The point-in-time join against plain loops over rows, on generated histories of publications."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fti_assets.feature_store import FeatureStore, event_time_column
from fti_assets.feature_store.point_in_time.join import Join
from fti_assets.feature_store.point_in_time.joining import complete
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.vocabulary import Column, Entity, Feature, aggregate
from fti_assets_tests.feature_store import oracle
from fti_assets_tests.feature_store.examples import ARROW, DAYS, T0, make_group, rows_of

PAST = datetime(2025, 1, 1, tzinfo=UTC)
MIDNIGHT = DAYS.window("2024-01-10").end
MINUTE, MICROSECOND = timedelta(minutes=1), timedelta(microseconds=1)
STATIONS = st.sampled_from(["a", "b"])
MOMENTS = st.tuples(st.integers(-1, 1), st.integers(-1, 1)).map(lambda n: MIDNIGHT + n[0] * MINUTE + n[1] * MICROSECOND)
INSTANTS = st.integers(-1, 4).map(lambda n: PAST + n * MINUTE)
VALUES = st.one_of(st.none(), st.integers(0, 9).map(float))
ROWS = st.dictionaries(st.tuples(st.tuples(STATIONS), MOMENTS), VALUES, min_size=1, max_size=12)
PUBLICATIONS = st.lists(st.tuples(st.sampled_from(["2024-01-10", "2024-01-11", "both"]), ROWS), min_size=1, max_size=4)
ASKED = st.tuples(STATIONS, st.none() | STATIONS, MOMENTS | st.none(), INSTANTS | st.none())
SPINE = st.lists(ASKED, max_size=15)
TTLS = st.none() | st.sampled_from([MICROSECOND, 2 * MICROSECOND, MINUTE - MICROSECOND, MINUTE, MINUTE + MICROSECOND])
CHECKED = settings(phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True, database=None)


class Lake:
    """One lake and one connection for all examples; each example's histories take the place of the one before."""

    def __init__(self, store, connection):
        self.store, self.connection = store, connection

    def hold(self, group, publications):
        """Makes the lake hold what a sequence of publications leaves, and returns it as the oracle has it.

        Rows are written as publishing writes them, without its other work, which takes a hundred times as long; that publishing
        leaves the same is another test.
        """
        history = []
        for n, (days, rows) in enumerate(publications):
            window = DAYS.window("2024-01-10", "2024-01-11") if days == "both" else DAYS.window(days)
            inside = {(key, at): value for (key, at), value in rows.items() if window.holds(at)}
            history = oracle.published(history, window, inside, PAST + n * MINUTE)
        self.write(group, history)
        return history

    def write(self, group, history):
        if not self.store.exists(self.connection, group.table):
            window = DAYS.window("2024-01-10") if group.event_time else None
            self.store.draft(self.connection, group.table, rows_of(group), window)
            self.store.publish_draft(self.connection, group, window, may_be_empty=True)
            columns = f"SELECT *, NULL::TIMESTAMPTZ AS _superseded_at FROM {group.table.sql}"
            self.connection.execute(
                f"CREATE SCHEMA IF NOT EXISTS lake.superseded; CREATE TABLE IF NOT EXISTS {kept(group)} AS {columns}"
            )
        self.connection.begin()
        standing = [one for one in history if one.superseded is None]
        past = [one for one in history if one.superseded is not None]
        for name, versions in ((group.table.sql, standing), (kept(group), past)):
            written = rows_of(group, *((*one.key, *([one.time] if group.event_time else []), one.value) for one in versions))
            times = {"_published_at": [one.published for one in versions], "_superseded_at": [one.superseded for one in versions]}
            for column in ("_published_at", *(["_superseded_at"] if versions is past else [])):
                written = written.append_column(column, pa.array(times[column], ARROW["timestamp"]))
            self.connection.execute(f"DELETE FROM {name}")
            self.connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM written")
        self.connection.commit()

    def complete(self, selections, spine, **options):
        join = Join.of(selections, at="t", **options)
        return complete(self.connection, Spine.of(spine), join).to_arrow()


def kept(group):
    return f"lake.superseded.{group.table.name}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    store = FeatureStore(tmp_path_factory.mktemp("oracle"))
    with store.connect() as connection:
        yield Lake(store, connection)


def spine_of(rows):
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    kinds = {"origin": pa.string(), "destination": pa.string(), "t": ARROW["timestamp"], "known": ARROW["timestamp"]}
    table = {name: pa.array(values, kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)}
    return pa.table({"row": pa.array(range(len(rows)), pa.int64()), **table})


KNOWN = {"what stands": None, "by row": "known", "for all": PAST + 2 * MINUTE}
"""What is seen of the publications: those that stand, or those known at a time of each row, or at one time."""


@CHECKED
@given(publications=PUBLICATIONS, spine=SPINE, ttl=TTLS)
def test_each_row_sees_what_a_loop_finds(lake, publications, spine, ttl):
    group = make_group("weather", ttl=ttl)
    history = lake.hold(group, publications)
    roles = [group.all_features.on(station=role).prefixed(f"{role}_") for role in ("origin", "destination")]
    for known, known_at in KNOWN.items():
        found = lake.complete(roles, spine_of(spine), known_at=known_at, event_times=True)
        assert found["row"].to_pylist() == list(range(len(spine)))
        for place, role in enumerate(("origin", "destination")):
            times = found[event_time_column(group, f"{role}_")].to_pylist()
            seen = list(zip(found[f"{role}_temp"].to_pylist(), times, strict=True))
            assert seen == [
                (None, None)
                if known == "by row" and row[3] is None
                else oracle.seen(history, (row[place],), row[2], ttl, row[3] if known == "by row" else known_at)
                for row in spine
            ], known


WINDOWS = [
    *(getattr(aggregate, name)("temp", last=MINUTE) for name in oracle.FIGURES),
    aggregate.mean("temp", last=2 * MINUTE),
    aggregate.count("temp", last=MICROSECOND),
    aggregate.count(last=MINUTE + MICROSECOND),
    aggregate.percentile("temp", 0.9, last=2 * MINUTE),
]


@CHECKED
@given(publications=PUBLICATIONS, spine=SPINE)
def test_windowed_aggregates_are_what_a_loop_computes(lake, publications, spine):
    group = make_group("events")
    history = lake.hold(group, publications)
    selection = group.windowed(*WINDOWS).on(station="origin")
    for known, known_at in KNOWN.items():
        found = lake.complete([selection], spine_of(spine), known_at=known_at).to_pylist()
        for values, (station, _, at, instant) in zip(found, spine, strict=True):
            unknown = known == "by row" and instant is None
            moment = instant if known == "by row" else known_at
            for one in WINDOWS:
                wanted = None if unknown else oracle.figure(one, history, (station,), at, moment)
                assert values[one.name] == (wanted if wanted is None else pytest.approx(wanted, abs=1e-9)), (known, one)


ADDED = [
    *(getattr(aggregate, name)("temp", last=MINUTE) for name in ("count", "sum", "mean", "min", "max")),
    aggregate.mean("temp", last=2 * MINUTE),
    aggregate.min("temp", last=MICROSECOND),
    aggregate.count(last=MINUTE + MICROSECOND),
]


@pytest.mark.parametrize("kind", ["float", "int"])
@CHECKED
@given(publications=PUBLICATIONS, spine=SPINE)
def test_windows_that_are_added_up_are_what_a_loop_computes(lake, publications, spine, kind):
    group = make_group(f"events_{kind}", features=(Feature("temp", kind),))
    history = lake.hold(group, publications)
    for known_at in (KNOWN["what stands"], KNOWN["for all"]):
        found = lake.complete([group.windowed(*ADDED).on(station="origin")], spine_of(spine), known_at=known_at).to_pylist()
        for values, (station, _, at, _) in zip(found, spine, strict=True):
            for one in ADDED:
                wanted = oracle.figure(one, history, (station,), at, known_at)
                assert values[one.name] == (wanted if wanted is None else pytest.approx(wanted, abs=1e-9)), (known_at, one)


NUMBERED = Entity("numbered", (Column("n", "int"), Column("since", "timestamp"), Column("word", "string"), Column("yes", "bool")))
KEYS = st.tuples(
    st.integers(-(2**63), 2**63 - 1) | st.integers(0, 1),
    st.integers(0, 1).map(lambda n: T0 + n * MICROSECOND),
    st.sampled_from(["", "ü", "a\x00b", "'; DROP TABLE x; --"]),
    st.booleans(),
)


@CHECKED
@given(rows=st.dictionaries(KEYS, VALUES, max_size=8), others=st.lists(KEYS, max_size=4), hidden=st.integers(0, 4))
def test_composite_keys_are_compared_as_a_whole(lake, rows, others, hidden):
    group = make_group("numbered", entity=NUMBERED, static=True)
    lake.write(group, [oracle.Version(key, T0, value, PAST) for key, value in rows.items()])
    asked = [*rows, *others]
    asked += [tuple(None if n == hidden else part for n, part in enumerate(key)) for key in rows]
    kinds = [ARROW[key.type] for key in NUMBERED.keys]
    columns = {key.name: pa.array([one[n] for one in asked], kinds[n]) for n, key in enumerate(NUMBERED.keys)}
    table = pa.table({**columns, "t": pa.array([T0] * len(asked), ARROW["timestamp"])})
    found = lake.complete([group.all_features], table)["temp"].to_pylist()
    assert found == [rows.get(key) for key in asked]


@CHECKED
@given(homes=ROWS, weather=ROWS, spine=SPINE)
def test_a_key_found_in_another_group_is_that_of_the_rows_own_time(lake, homes, weather, spine):
    words = {at: None if value is None else "abc"[int(value) % 3] for at, value in homes.items()}
    home = make_group("homes", features=(Feature("home", "string"),))
    other = make_group("elsewhere", features=("temp",))
    homes_known = lake.hold(home, [("both", words)])
    weather_known = lake.hold(other, [("both", weather)])
    selection = other["temp"].on(station=home["home"].on(station="origin"))
    found = lake.complete([selection], spine_of(spine))["temp"].to_pylist()
    keys = [oracle.seen(homes_known, (row[0],), row[2])[0] for row in spine]
    assert found == [oracle.seen(weather_known, (key,), row[2])[0] for key, row in zip(keys, spine, strict=True)]


def test_the_examples_would_find_a_time_compared_the_wrong_way():
    """The oracle's own corners: equal time, ttl to the microsecond, correction unknown at its time."""
    first, second = {(("a",), T0): 1.0}, {(("a",), T0): 2.0}
    history = oracle.published(oracle.published([], None, first, PAST), None, second, PAST + MINUTE)
    assert oracle.seen(history, ("a",), T0) == (2.0, T0)
    assert oracle.seen(history, ("a",), T0 - MICROSECOND) == (None, None)
    assert oracle.seen(history, ("a",), T0, known_at=PAST) == (1.0, T0)
    assert oracle.seen(history, ("a",), T0 + MINUTE, ttl=MINUTE) == (2.0, T0)
    assert oracle.seen(history, ("a",), T0 + MINUTE + MICROSECOND, ttl=MINUTE) == (None, None)
