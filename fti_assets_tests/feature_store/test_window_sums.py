"""Windows that are added up from their events give what DuckDB's frames give, and leave to them what they cannot do."""

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.feature_store.point_in_time import window_sums, windowed
from fti_assets.vocabulary import Feature, aggregate
from fti_assets_tests.feature_store.examples import ARROW, HOUR, MINUTE, T0, YEAR, make_group

GROUP = make_group("rides", features=("fare", Feature("riders", "int"), Feature("line", "string")))
SPANS = (MINUTE, 20 * MINUTE, 3 * HOUR)
ADDED = [getattr(aggregate, name) for name in ("count", "sum", "mean", "min", "max")]
ALL = (
    *(make(column, last=last) for make in ADDED for column in ("fare", "riders") for last in SPANS),
    aggregate.count(last=HOUR),
    aggregate.count("line", last=HOUR),
)
NAN, LARGE = "x", "y"


def some(draw, values, share):
    return [None if draw.random() < share else value for value in values]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store, draw = FeatureStore(tmp_path_factory.mktemp("sums")), np.random.default_rng(1)
    minutes = draw.choice(2_000, 1_500, replace=False)  # events at the very time of a question, too
    rows = {
        "station": [*draw.choice(["a", "b", "c"], 1_500).tolist(), NAN, NAN, LARGE, LARGE],
        "at": [*(T0 + int(n) * MINUTE for n in minutes), *[T0, T0 + MINUTE] * 2],
        "fare": [*some(draw, draw.normal(10, 5, 1_500).tolist(), 0.2), 1.0, float("nan"), 1.0, 2.0],
        "riders": [*some(draw, draw.integers(-3, 9, 1_500).tolist(), 0.2), 1, 2, 2**61, 2**61],
        "line": [*some(draw, ["l"] * 1_500, 0.3), *["l"] * 4],
    }
    kinds = {column.name: ARROW[column.type] for column in GROUP.table.columns}
    store.publish(GROUP, pa.table({name: pa.array(values, kinds[name]) for name, values in rows.items()}), YEAR)
    return store


def asked(stations=("a", "b", "c", "unknown", None), rows=500):
    draw = np.random.default_rng(2)
    times = [None if n < 0 else T0 + int(n) * MINUTE for n in draw.integers(-20, 2_200, rows)]
    return pa.table(
        {
            "station": pa.array(draw.choice(np.array(stations, object), rows).tolist(), pa.string()),
            "t": pa.array(times, ARROW["timestamp"]),
        }
    )


@pytest.fixture
def frames(monkeypatch):
    """How often DuckDB's frames were used."""
    used, by_frames = [], windowed._by_frames
    monkeypatch.setattr(windowed, "_by_frames", lambda *given: used.append(1) or by_frames(*given))
    return used


def figures(store, aggregates, spine):
    return store.get_features([GROUP.windowed(*aggregates)], spine, at="t").to_arrow().drop_columns(spine.column_names)


def test_the_same_as_duckdb_gives(store, frames, monkeypatch):
    spine = asked()

    added = figures(store, ALL, spine)

    assert not frames
    monkeypatch.setattr(windowed, "can_add_up", lambda _: False)
    wanted = figures(store, ALL, spine)
    assert len(frames) == 1
    assert added.schema == wanted.schema
    for name in wanted.column_names:
        one, other = (table[name].to_pandas() for table in (added, wanted))
        assert one.isna().tolist() == other.isna().tolist(), name
        assert np.allclose(one.fillna(0), other.fillna(0), rtol=1e-12, atol=1e-12), name
    assert added["fare_mean_3h"].null_count < 400


def test_the_same_rows_in_another_order(store):
    spine = asked()
    order = np.random.default_rng(3).permutation(spine.num_rows)

    assert figures(store, ALL, spine.take(order)).equals(figures(store, ALL, spine).take(order))


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(store, frames, rows):
    assert figures(store, ALL, asked(rows=rows)).num_rows == rows
    assert not frames


@pytest.mark.parametrize(
    ("station", "aggregates", "wanted"),
    [
        pytest.param(NAN, ALL, True, id="a_value_that_is_no_number"),
        pytest.param(NAN, (aggregate.sum("riders", last=HOUR), aggregate.count("line", last=HOUR)), False, id="another_column"),
        pytest.param("a", (*ALL, aggregate.std("fare", last=HOUR)), True, id="another_function"),
        pytest.param("a", (aggregate.min("line", last=HOUR),), True, id="least_text"),
        pytest.param(LARGE, (aggregate.mean("riders", last=HOUR),), True, id="a_sum_beyond_64_bits"),
    ],
)
def test_what_is_left_to_duckdb(store, frames, station, aggregates, wanted):
    figures(store, aggregates, pa.table({"station": [station], "t": pa.array([T0 + MINUTE], ARROW["timestamp"])}))

    assert bool(frames) is wanted


@pytest.mark.parametrize(("limit", "value"), [("FEW", 1_000), ("MOST_EVENTS", 10)])
def test_many_events_are_left_to_duckdb(store, frames, monkeypatch, limit, value):
    for module in (window_sums, windowed):
        if hasattr(module, limit):
            monkeypatch.setattr(module, limit, value)

    figures(store, ALL, asked())

    assert frames
