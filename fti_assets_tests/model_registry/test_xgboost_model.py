import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.model_registry import CategoryEncoding, ModelFileError, RowsError, XGBoostModel, feature_matrix, feature_types
from fti_assets.vocabulary import Column

from .examples import FEATURES, make_model, make_rows


@pytest.fixture(scope="module")
def model():
    return make_model()


def test_a_saved_model_predicts_the_same(model, tmp_path):
    rows = make_rows(seed=1)
    model.save(tmp_path)
    loaded = XGBoostModel.load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.ubj"]
    np.testing.assert_allclose(loaded.predict(rows), model.predict(rows), rtol=0, atol=1e-7)
    assert loaded.encoding == model.encoding
    assert (loaded.features, loaded.label) == (FEATURES, "late")


def test_saving_again_gives_the_same_bytes(model, tmp_path):
    first = model.save(tmp_path).read_bytes()
    assert XGBoostModel.load(tmp_path).save(tmp_path).read_bytes() == first


def test_predictions_are_probabilities_of_each_row_alone(model):
    rows = make_rows(seed=2)
    scores = model.predict(rows)
    order = np.random.default_rng(0).permutation(rows.num_rows)
    assert scores.dtype == np.float64
    assert scores.shape == (rows.num_rows,)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.std() > 0.1
    np.testing.assert_array_equal(model.predict(rows.take(pa.array(order))), scores[order])
    np.testing.assert_array_equal([model.predict(rows.slice(n, 1))[0] for n in range(20)], scores[:20])


def test_predictions_agree_with_a_dmatrix(model):
    import xgboost

    rows = make_rows(seed=3)
    matrix = xgboost.DMatrix(
        feature_matrix(rows, FEATURES, model.encoding),
        feature_names=[feature.name for feature in FEATURES],
        feature_types=feature_types(FEATURES),
    )
    np.testing.assert_array_equal(model.predict(rows), model.booster.predict(matrix))


def test_pandas_and_arrow_agree(model):
    rows = make_rows(seed=4)
    np.testing.assert_array_equal(model.predict(rows.to_pandas()), model.predict(rows))


def test_order_of_columns_and_extra_columns_do_not_matter(model):
    rows = make_rows(seed=5)
    np.testing.assert_array_equal(model.predict(rows.select(rows.column_names[::-1])), model.predict(rows))


def test_no_rows_give_no_predictions(model):
    assert model.predict(make_rows().slice(0, 0)).shape == (0,)


def test_the_encoding_knows_the_categories_of_the_training_split_only():
    train = pa.table({"carrier": ["UA", "AA", None, "UA"]})
    encoding = CategoryEncoding.fit(train, [Column("carrier", "string")])
    assert encoding.categories == {"carrier": ("AA", "UA")}
    codes = feature_matrix(pa.table({"carrier": ["AA", "UA", "ZZ", None]}), [Column("carrier", "string")], encoding)
    np.testing.assert_array_equal(codes, np.array([[0], [1], [np.nan], [np.nan]], dtype=np.float32))


def test_an_unseen_category_counts_as_missing(model):
    rows = make_rows(10)
    unseen = rows.set_column(0, "carrier", pa.array(["ZZ"] * 10))
    missing = rows.set_column(0, "carrier", pa.nulls(10, pa.string()))
    np.testing.assert_array_equal(model.predict(unseen), model.predict(missing))


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
    matrix = feature_matrix(pa.table({"delay": values}), [Column("delay", "float")], CategoryEncoding({}))
    assert np.isnan(matrix[1:]).all()
    assert matrix.dtype == np.float32


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(pa.large_string(), id="large_string"),
        pytest.param(pa.dictionary(pa.int32(), pa.string()), id="dictionary"),
        pytest.param(pa.string_view(), id="string_view"),
    ],
)
def test_every_arrow_string_type_is_read(kind):
    rows = pa.table({"carrier": pa.array(["UA", "AA"]).cast(kind)})
    encoding = CategoryEncoding.fit(rows, [Column("carrier", "string")])
    np.testing.assert_array_equal(feature_matrix(rows, [Column("carrier", "string")], encoding), [[1], [0]])


def test_a_missing_column_is_named(model):
    with pytest.raises(RowsError, match=r"Feature 'delay' is not in the rows.*It has: carrier, holiday, hour, late\."):
        model.predict(make_rows(3).drop_columns(["delay"]))


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
def test_values_that_do_not_fit_are_refused(model, name, values, message):
    rows = make_rows(3)
    with pytest.raises(RowsError, match=message):
        model.predict(rows.set_column(rows.column_names.index(name), name, values))


def test_mixed_types_in_pandas_are_refused(model):
    rows = make_rows(2).to_pandas().assign(hour=pd.Series([1, "x"], dtype=object))
    with pytest.raises(RowsError, match="mixed types"):
        model.predict(rows)


def test_a_timestamp_cannot_be_a_feature():
    with pytest.raises(DefinitionError, match=r"Feature 'at' is a timestamp, which a tree cannot read\. Derive a number"):
        feature_types([Column("at", "timestamp")])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[:-300], id="truncated"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: b"no model at all", id="text"),
    ],
)
def test_a_damaged_file_is_named(model, tmp_path, spoil):
    path = model.save(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ModelFileError, match=r"model\.ubj (is empty|.*damaged or no model)"):
        XGBoostModel.load(tmp_path)


def test_a_foreign_model_and_an_empty_folder_are_refused(model, tmp_path):
    with pytest.raises(ModelFileError, match="no model file"):
        XGBoostModel.load(tmp_path)
    model.booster.save_model(tmp_path / "model.ubj")
    with pytest.raises(ModelFileError, match="without an encoding"):
        XGBoostModel.load(tmp_path)


def test_importing_the_package_imports_no_engine():
    code = (
        "import sys, fti_assets.model_registry, fti_assets.training\n"
        "print({'mlflow', 'xgboost', 'sklearn', 'matplotlib', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
