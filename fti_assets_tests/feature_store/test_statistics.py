"""Statistics of feature groups, compared with NumPy; and what is odd about values."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.errors import NotFoundError
from fti_assets.feature_store import FeatureStore, describe
from fti_assets.feature_store.catalogue.statistics_picture import picture
from fti_assets.feature_store.catalogue.statistics_scan import BINS, statistics
from fti_assets.vocabulary import Daily, Feature, FeatureGroup, Window
from fti_assets_tests.feature_store.examples import HOUR, PROMISE, STATION, YEAR, make_group, rows_of

START = YEAR.start
KINDS = make_group(
    "kinds",
    (
        Feature("f", "float", unit="°C"),
        Feature("i", "int"),
        Feature("b", "bool"),
        Feature("s", "string"),
        Feature("t", "timestamp"),
        Feature("d", "date"),
    ),
)


def publish(store, group, rows):
    """Rows of values, one an hour."""
    table = rows_of(group, *(("a", START + n * HOUR, *row) for n, row in enumerate(rows)))
    store.publish(group, table, YEAR, may_be_empty=True)


def of(store, values, kind="float"):
    """Statistics of one feature with these values."""
    group = make_group("one", (Feature("x", kind),))
    publish(store, group, [(value,) for value in values])
    return store.statistics(group).features[0]


values = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=60)


@given(values, st.lists(st.none() | st.integers(-(10**6), 10**6), max_size=60))
@settings(max_examples=12, deadline=None)
def test_figures_are_those_of_numpy(tmp_path_factory, floats, integers):
    store = FeatureStore(tmp_path_factory.mktemp("store"))
    group = make_group("two", (Feature("f", "float"), Feature("i", "int")))
    length = max(len(floats), len(integers))
    columns = [column + [None] * (length - len(column)) for column in (floats, integers)]
    publish(store, group, list(zip(*columns, strict=True)))
    found = store.statistics(group)
    assert (found.rows, found.exact) == (length, True)
    for column, one in zip(columns, found.features, strict=True):
        known = np.array([value for value in column if value is not None], dtype=float)
        assert (one.rows, one.nulls, one.distinct) == (length, length - len(known), len(np.unique(known)))
        if not len(known):
            assert (one.mean, one.minimum, dict(one.percentiles), one.counts) == (None, None, {}, ())
            continue
        span = max(abs(known.min()), abs(known.max()), 1e-300)
        assert (one.minimum, one.maximum) == (known.min(), known.max())
        assert one.mean == pytest.approx(known.mean(), rel=1e-9, abs=1e-9 * span)
        assert one.std == (None if len(known) == 1 else pytest.approx(known.std(ddof=1), rel=1e-6, abs=1e-9 * span))
        wanted = np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95])
        assert list(one.percentiles.values()) == pytest.approx(wanted, rel=1e-9, abs=1e-9 * span)
        assert sum(one.counts) == len(known)
        assert list(one.counts) == counted(known, one.edges)


def counted(known, edges):
    """Values in each bin, one by one: the lower border belongs to the first bin only."""
    found = [0] * (len(edges) - 1)
    for value in known:
        found[next(n for n, upper in enumerate(edges[1:]) if value <= upper)] += 1
    return found


def test_every_type(store):
    rows = [(n / 4, n, n % 4 == 0, "word" if n % 4 else "other", START + n * HOUR, date(2024, 1, 1 + n)) for n in range(20)]
    publish(store, KINDS, [*rows, (None,) * 6])
    found = {one.name: one for one in store.statistics("kinds").features}
    assert list(found) == ["f", "i", "b", "s", "t", "d"]
    assert all((one.rows, one.nulls) == (21, 1) for one in found.values())
    assert found["f"].unit == "°C"
    assert (found["i"].minimum, found["i"].maximum, found["i"].mean) == (0, 19, 9.5)
    assert (found["b"].mean, found["b"].top, found["b"].counts) == (0.25, ((False, 15), (True, 5)), ())
    assert (found["s"].mean, found["s"].top, found["s"].distinct) == (None, (("word", 15), ("other", 5)), 2)
    assert (found["t"].minimum, found["t"].mean, found["t"].std) == (START, START + 9.5 * HOUR, None)
    assert (found["d"].maximum, found["d"].percentiles[50], len(found["d"].counts)) == (date(2024, 1, 20), date(2024, 1, 10), BINS)


def test_what_is_not_finite_is_counted_and_left_out(store):
    one = of(store, [1.0, 3.0, math.nan, math.inf, -math.inf, None])
    assert (one.rows, one.nulls, one.not_finite) == (6, 1, 3)
    assert (one.mean, one.minimum, one.maximum, one.percentiles[50]) == (2.0, 1.0, 3.0, 2.0)


@pytest.mark.parametrize(
    ("given", "mean", "std"),
    [
        pytest.param([5.0] * 4, 5.0, 0.0, id="all_equal"),
        pytest.param([5.0], 5.0, None, id="one"),
        pytest.param([1e200, 3e200], 2e200, math.sqrt(2) * 1e200, id="squares_overflow"),
        pytest.param([1e308, 1e308, 1.5e308], 1e308 * (3.5 / 3), None, id="sum_overflows"),
        pytest.param([1e15, 1e15 + 1, 1e15 + 2], 1e15 + 1, 1.0, id="squares_cancel_out"),
        pytest.param([-1.7e308, 1.7e308], None, None, id="no_float_holds_the_span"),
    ],
)
def test_moments_of_odd_values(store, given, mean, std):
    one = of(store, given)
    assert one.mean == (None if mean is None else pytest.approx(mean, rel=1e-12))
    if std is not None or len(given) < 3:
        assert one.std == (None if std is None else pytest.approx(std, rel=1e-9))


def test_whole_numbers_that_no_float_holds(store):
    one = of(store, [2**62 + 1, 2**62 + 3], "int")
    assert (one.minimum, one.maximum, sum(one.counts)) == (2**62 + 1, 2**62 + 3, 2)


@pytest.mark.parametrize(
    ("given", "edges"),
    [
        pytest.param([1, 2, 2, 5], (0.5, 1.5, 2.5, 3.5, 4.5, 5.5), id="one_bin_for_each_number"),
        pytest.param([0, 40], tuple(n * 3 - 0.5 for n in range(15)), id="bins_of_three"),
        pytest.param([7], (6.5, 7.5), id="one"),
    ],
)
def test_bins_of_whole_numbers_hold_whole_numbers(store, given, edges):
    assert of(store, given, "int").edges == edges


def test_only_the_frequent_words_are_told(store):
    words = [f"w{n}" for n in range(30) for _ in range(n)]
    assert of(store, words, "string").top == tuple((f"w{n}", n) for n in range(29, 19, -1))


def test_a_window(store):
    publish(store, KINDS, [(float(n), n, None, None, None, None) for n in range(100)])
    found = store.statistics(KINDS, Window(START + 10 * HOUR, START + 20 * HOUR))
    assert (found.rows, found.features[1].minimum, found.features[1].maximum) == (10, 10, 19)
    assert found.snapshot == store.publications("features.kinds_v1")[0].snapshot


def test_days_are_those_of_the_groups_calendar(store):
    group = FeatureGroup(
        name="local",
        version=1,
        entity=STATION,
        event_time="at",
        cadence=Daily(start="2024-03-01", end="2024-05-01", timezone="Europe/Paris"),
        features=(Feature("x", "float"), Feature("s", "string")),
        contract=PROMISE,
    )
    start = datetime(2024, 3, 30, 23, tzinfo=UTC)  # the day after has 23 hours
    rows = [("a", start + n * HOUR, None if n == 1 else float(n), "w") for n in range(30)]
    store.publish(group, rows_of(group, *rows), group.cadence.span())
    found = store.statistics(group, by="day")
    assert [(day.day, day.rows, day.nulls) for day in found.days["x"]] == [("2024-03-31", 23, 1), ("2024-04-01", 7, 0)]
    assert (found.days["x"][1].mean, found.days["x"][1].median, found.days["x"][1].std) == (
        26.0,
        26.0,
        pytest.approx(np.std(range(7), ddof=1)),
    )
    assert [(day.rows, day.mean) for day in found.days["s"]] == [(23, None), (7, None)]
    assert dict(store.statistics(group).days) == {}


def test_a_day_without_values(store):
    publish(store, KINDS, [(None if n < 24 else 7.0, *[None] * 5) for n in range(48)])
    first, second = store.statistics(KINDS, by="day").days["f"]
    assert (first.nulls, first.mean, first.std, first.low) == (24, None, None, None)
    assert (second.nulls, second.mean, second.std, second.low) == (0, 7.0, 0.0, 7.0)


def test_a_group_without_rows(store):
    publish(store, KINDS, [])
    found = store.statistics(KINDS, by="day")
    assert found.rows == 0
    assert all((one.rows, one.nulls, one.mean, one.top, one.counts) == (0, 0, None, (), ()) for one in found.features)


def test_many_values_are_told_approximately(store):
    publish(store, KINDS, [(n / 7, n % 50, None, f"w{n % 9}", None, None) for n in range(1000)])
    info = store.group("kinds")
    with store.reading() as connection:
        found = statistics(connection, info.name, info.description, None, exact_values=10)
    f, i, *_ = found.features
    assert not found.exact
    assert f.percentiles[50] == pytest.approx(999 / 14, rel=0.02)
    assert i.distinct == pytest.approx(50, rel=0.1)
    assert sum(f.counts) == 1000


def test_a_group_is_found_by_name_with_or_without_a_version(store):
    for version in (2, 10):
        publish(store, make_group(version=version), [(float(version),)])
    assert [store.statistics(name).table for name in ("weather", "weather_v2")] == ["weather_v10", "weather_v2"]
    with pytest.raises(NotFoundError, match=r"Feature group 'wether' is not in the lake\. Did you mean 'weather'\?"):
        store.statistics("wether")


@pytest.mark.parametrize("by", ["day", None])
def test_a_picture(store, by):
    rows = [(n / 4, n, n % 4 == 0, "w" * n, START + n * HOUR, date(2024, 1, 1) + timedelta(n)) for n in range(60)]
    publish(store, KINDS, [*rows, (None,) * 6])
    found = store.statistics(KINDS, by=by)
    content = picture(found, describe(KINDS)["description"])
    assert content.startswith(b"\x89PNG")
    assert content == picture(found)


def test_a_picture_of_nothing(store):
    publish(store, KINDS, [])
    assert picture(store.statistics(KINDS)).startswith(b"\x89PNG")
