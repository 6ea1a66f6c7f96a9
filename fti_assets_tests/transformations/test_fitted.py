from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.transformations import FittedTransformations, RowsError, fit_transformations
from fti_assets.vocabulary import Categorical, Column, Numeric

CARRIER, DELAY, HOUR = Column("carrier", "string"), Column("delay", "float"), Column("hour", "int")


def fit(rows, features, declared=()):
    return fit_transformations(declared, features, pa.table(rows).column)


def test_codes_know_the_categories_of_the_training_split_only():
    fitted = fit({"carrier": ["UA", "AA", None, "UA"]}, [CARRIER])
    assert fitted.columns[0].categories == ("AA", "UA")
    codes = fitted.matrix(pa.table({"carrier": ["AA", "UA", "ZZ", None]}))
    np.testing.assert_array_equal(codes, np.array([[0], [1], [np.nan], [np.nan]], dtype=np.float32))


def test_one_hot_columns_are_zero_for_what_is_unknown():
    fitted = fit({"carrier": ["UA", "AA"]}, [CARRIER], [Categorical(encode="one_hot")])
    assert [column.name for column in fitted.columns] == ["carrier=AA", "carrier=UA"]
    np.testing.assert_array_equal(fitted.matrix(pa.table({"carrier": ["UA", "ZZ", None]})), [[0, 1], [0, 0], [0, 0]])


def test_a_rare_category_is_left_out():
    fitted = fit({"carrier": ["UA", "AA", "UA"]}, [CARRIER], [Categorical(minimum_rows=2)])
    assert fitted.columns[0].categories == ("UA",)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array([1.5, None, float("nan")]), id="float"),
        pytest.param(pa.array([1, None, None], pa.int64()), id="int"),
        pytest.param(pa.array([True, None, None]), id="bool"),
        pytest.param(pa.nulls(3), id="null_type"),
    ],
)
def test_missing_numbers_become_nan(values):
    matrix = fit({"delay": values}, [DELAY]).matrix(pa.table({"delay": values}))
    assert np.isnan(matrix[1:]).all()
    assert matrix.dtype == np.float32


@pytest.mark.parametrize(
    ("scale", "impute", "expected"),
    [
        pytest.param("standard", "mean", [[-1.0], [1.0], [0.0]], id="standard"),
        pytest.param("min_max", "median", [[0.0], [1.0], [0.5]], id="min_max"),
        pytest.param(None, 7.0, [[1.0], [3.0], [7.0]], id="a_number"),
        pytest.param("robust", 2.0, [[-1.0], [1.0], [0.0]], id="robust"),
    ],
)
def test_numbers_are_filled_then_scaled_by_the_training_split(scale, impute, expected):
    fitted = fit({"delay": [1.0, 3.0]}, [DELAY], [Numeric(impute=impute, scale=scale)])
    np.testing.assert_allclose(fitted.matrix(pa.table({"delay": [1.0, 3.0, None]})), expected)


def test_what_is_fitted_survives_json():
    import json

    rows = {"carrier": ["UA", "AA"], "delay": [1.0, None], "hour": [4, 5]}
    fitted = fit(rows, [CARRIER, DELAY, HOUR], [Numeric(features=("delay",), impute="mean", indicator=True)])
    again = FittedTransformations.from_data(json.loads(json.dumps(fitted.as_data())))
    assert again == fitted
    np.testing.assert_array_equal(again.matrix(pa.table(rows)), fitted.matrix(pa.table(rows)))
    assert [(place.start, place.stop) for place in again.places] == [(0, 1), (1, 3), (3, 4)]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.large_string(), id="large_string"),
        pytest.param(pa.dictionary(pa.int32(), pa.string()), id="dictionary"),
        pytest.param(pa.string_view(), id="string_view"),
    ],
)
def test_every_arrow_string_type_is_read(kind):
    rows = {"carrier": pa.array(["UA", "AA"]).cast(kind)}
    np.testing.assert_array_equal(fit(rows, [CARRIER]).matrix(pa.table(rows)), [[1], [0]])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        pytest.param("delay", pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 3), "rows give timestamp", id="timestamp_for_float"),
        pytest.param("hour", pa.array(["a", "b", "c"]), "'hour' is a number .int. to the model, but .* string", id="text_for_int"),
        pytest.param("carrier", pa.array([1, 2, 3]), "'carrier' is a string to the model, but .* int64", id="int_for_text"),
        pytest.param("delay", pa.array([1.0, float("inf"), 2.0]), "infinite values in: delay", id="infinite"),
        pytest.param("delay", pa.array([1.0, 1e300, 2.0]), "infinite values in: delay", id="beyond_float32"),
    ],
)
def test_values_that_do_not_fit_are_refused(name, values, message):
    rows = {"carrier": ["UA", "AA", "B6"], "delay": [1.0, 2.0, 3.0], "hour": [1, 2, 3]}
    fitted = fit(rows, [CARRIER, DELAY, HOUR])
    with pytest.raises(RowsError, match=message):
        fitted.matrix(pa.table({**rows, name: values}))


def test_a_timestamp_cannot_be_a_feature():
    with pytest.raises(DefinitionError, match=r"'at'"):
        fit({"at": [datetime(2024, 1, 1, tzinfo=UTC)]}, [Column("at", "timestamp")])
