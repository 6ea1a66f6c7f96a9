"""The point-in-time join against a row-by-row loop in plain Python, on generated inputs."""

from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.feature_store import FeatureStore, event_time_column
from fti_assets_tests.feature_store.examples import ARROW, T0, YEAR, make_group, make_view, rows_of

MOMENTS = st.integers(-6, 6).map(lambda n: T0 + timedelta(minutes=n))
STATIONS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.none(), st.integers(0, 9).map(float))
GROUP_ROWS = st.dictionaries(st.tuples(STATIONS, MOMENTS), VALUES, max_size=12)
SPINE_ROWS = st.lists(st.tuples(st.one_of(st.none(), STATIONS), st.one_of(st.none(), MOMENTS)), max_size=10)
TTLS = st.one_of(st.none(), st.integers(1, 5).map(lambda n: timedelta(minutes=n)))


def expected(rows, ttl, station, asked_at):
    """What one spine row sees, by going through all the rows of a group: (value, event time)."""
    newest = None
    for (key, at), value in rows.items():
        if station is None or asked_at is None or key != station or at > asked_at:
            continue
        if newest is None or at > newest[1]:
            newest = (value, at)
    if newest is None or (ttl is not None and asked_at - newest[1] > ttl):
        return (None, None)
    return newest


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One lake for all examples; each publishes its rows over those of the example before."""
    return FeatureStore(tmp_path_factory.mktemp("oracle"))


@pytest.fixture(scope="module")
def connection(lake):
    with lake.connect() as connection:
        yield connection


def publish(lake, connection, group, rows):
    table = rows_of(group, *((station, at, value) for (station, at), value in rows.items()))
    lake.draft(connection, group.table, table, YEAR)
    lake.publish_draft(connection, group, YEAR)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(first=GROUP_ROWS, second=GROUP_ROWS, spine=SPINE_ROWS, ttls=st.tuples(TTLS, TTLS))
def test_the_join_equals_a_loop_over_all_rows(lake, connection, first, second, spine, ttls):
    groups = [make_group("first", ("f",), ttl=ttls[0]), make_group("second", ("s",), ttl=ttls[1])]
    for group, rows in zip(groups, (first, second), strict=True):
        publish(lake, connection, group, rows)
    table = pa.table(
        {
            "trip": pa.array(range(len(spine)), pa.int64()),
            "station": pa.array([station for station, _ in spine], pa.string()),
            "asked_at": pa.array([at for _, at in spine], ARROW["timestamp"]),
        }
    )
    found = lake.complete(connection, connection.from_arrow(table), make_view(*groups)).to_arrow_table()
    assert found["trip"].to_pylist() == list(range(len(spine)))
    for group, rows, name in zip(groups, (first, second), ("f", "s"), strict=True):
        seen = list(zip(found[name].to_pylist(), found[event_time_column(group)].to_pylist(), strict=True))
        assert seen == [expected(rows, group.ttl, station, at) for station, at in spine]
