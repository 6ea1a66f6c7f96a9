import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti_assets.transformations import FittedTransformations, RowEncoder, RowsError, fit_transformations
from fti_assets.transformations.fitted import FittedCategorical, FittedNumeric
from fti_assets.vocabulary import Categorical, Column, Numeric

ARROW = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
CARRIER, DELAY, HOUR, HOLIDAY = (
    Column("carrier", "string"),
    Column("delay", "float"),
    Column("hour", "int"),
    Column("holiday", "bool"),
)
FEATURES = (CARRIER, DELAY, HOUR, HOLIDAY)


def table(rows, features):
    columns = zip(*rows, strict=True) if rows else [()] * len(features)
    arrays = [pa.array(list(column), ARROW[feature.type]) for column, feature in zip(columns, features, strict=True)]
    return pa.table(arrays, names=[feature.name for feature in features])


def encoded(fitted, rows, names=None):
    """The matrix that is made of rows."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names or fitted.features)
    return RowEncoder(fitted, names=names).matrix(list(columns))


def assert_same_bits(fitted, rows):
    plain = fitted.matrix(table(rows, fitted.features))
    compiled = encoded(fitted, rows)
    assert compiled.dtype == np.float32
    assert compiled.shape == plain.shape
    np.testing.assert_array_equal(compiled.view(np.uint32), plain.view(np.uint32))
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(encoded(fitted, [row])[0].view(np.uint32), plain[place].view(np.uint32))


WORDS = st.sampled_from(["AA", "B6", "UA", "", "ü"])
FINITE = st.floats(-1e30, 1e30, allow_subnormal=True)
VALUES = {
    "float": st.none() | FINITE | st.just(float("nan")),
    "int": st.none() | st.integers(-(2**63), 2**63 - 1),
    "bool": st.none() | st.booleans(),
    "string": st.none() | WORDS,
}
NUMBERS = st.builds(
    FittedNumeric,
    fill=st.none() | FINITE,
    indicator=st.booleans(),
    offset=st.just(0.0) | FINITE,
    scale=st.just(1.0) | st.floats(1e-30, 1e30),
)
CATEGORIES = st.builds(
    FittedCategorical, categories=st.lists(WORDS, unique=True, max_size=4).map(sorted).map(tuple), one_hot=st.booleans()
)


@st.composite
def models_and_rows(draw):
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6))
    features = tuple(Column(f"f{place}", kind) for place, kind in enumerate(types))
    fitted = tuple(draw(CATEGORIES if feature.type == "string" else NUMBERS) for feature in features)
    row = st.tuples(*(VALUES[feature.type] for feature in features))
    return FittedTransformations(features, fitted), draw(st.lists(row, max_size=5))


@settings(max_examples=300, deadline=None)
@given(models_and_rows())
def test_rows_become_the_same_bits_as_a_table_of_them(made):
    fitted, rows = made
    assert_same_bits(fitted, rows)


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param((), id="as_they_are"),
        pytest.param((Numeric(impute="median", indicator=True, scale="standard"), Categorical()), id="filled_and_scaled"),
        pytest.param((Numeric(impute="mean"), Categorical(encode="one_hot", minimum_rows=2)), id="one_hot"),
        pytest.param((Numeric(scale="robust"), Categorical(encode="one_hot")), id="missing_numbers_stay_missing"),
    ],
)
def test_what_was_fitted_is_applied(declared):
    rows = [
        ("AA", 1.5, 7, True),
        ("UA", None, 9, False),
        ("AA", -3.25, None, None),
        (None, 1e9, 23, True),
        ("ZZ", 0.1, 2**53 + 1, None),
    ]
    fitted = fit_transformations(declared, FEATURES, table(rows[:3], FEATURES).column)
    assert_same_bits(fitted, rows)


def test_features_are_found_by_name_among_other_values():
    fitted = fit_transformations((), (DELAY, CARRIER), table([("AA", 1.0), ("UA", 2.0)], (CARRIER, DELAY)).column)
    names, rows = ("hour", "carrier", "delay"), [(5, "UA", 2.5), (6, "AA", None)]
    np.testing.assert_array_equal(encoded(fitted, rows, names), np.array([[2.5, 1], [np.nan, 0]], np.float32))
    np.testing.assert_array_equal(encoded(fitted, rows[:1], names), np.array([[2.5, 1]], np.float32))


def test_a_single_feature_is_found_by_name():
    fitted = fit_transformations((), (DELAY,), table([(1.0,)], (DELAY,)).column)
    np.testing.assert_array_equal(encoded(fitted, [(5, 2.5)], ("hour", "delay")), np.array([[2.5]], np.float32))


def test_a_feature_that_is_not_among_the_names_is_refused():
    fitted = fit_transformations((), (DELAY,), table([(1.0,)], (DELAY,)).column)
    with pytest.raises(KeyError, match="delay"):
        RowEncoder(fitted, names=("hour",))


@pytest.mark.parametrize("value", [pytest.param(1e39, id="beyond_float32"), pytest.param(float("-inf"), id="infinite")])
@pytest.mark.parametrize("rows", [pytest.param(1, id="one_row"), pytest.param(3, id="several_rows")])
def test_an_infinite_value_is_refused_as_in_a_table(value, rows):
    fitted = fit_transformations((), (HOUR, DELAY), table([(1, 1.0)], (HOUR, DELAY)).column)
    with pytest.raises(RowsError, match="infinite values in: delay") as compiled:
        encoded(fitted, [(1, 1.0)] * (rows - 1) + [(1, value)])
    with pytest.raises(RowsError) as plain:
        fitted.matrix(table([(1, value)], (HOUR, DELAY)))
    assert str(compiled.value) == str(plain.value)
