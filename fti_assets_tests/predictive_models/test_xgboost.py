import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fti_assets.predictive_models import ModelFileError, XGBoostModel
from fti_assets.predictive_models.xgboost import feature_types
from fti_assets.transformations import RowsError
from fti_assets_tests.model_registry.examples import FEATURES, make_model, make_rows


@pytest.fixture(scope="module")
def model():
    return make_model()


def read(path):
    return XGBoostModel.from_bytes(path.read_bytes(), source=str(path))


def test_a_saved_model_predicts_the_same(model, tmp_path):
    rows = make_rows(seed=1)
    loaded = read(model.save(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["model.ubj"]
    np.testing.assert_allclose(loaded.predict(rows), model.predict(rows), rtol=0, atol=1e-7)
    assert loaded.transformations == model.transformations
    assert (loaded.transformations.features, loaded.label) == (FEATURES, "late")


def test_saving_again_gives_the_same_bytes(model, tmp_path):
    path = model.save(tmp_path)
    first = path.read_bytes()
    assert read(path).save(tmp_path).read_bytes() == first


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
    columns = model.transformations.columns
    names = [column.name for column in columns]
    matrix = xgboost.DMatrix(model.transformations.matrix(rows), feature_names=names, feature_types=feature_types(columns))
    np.testing.assert_array_equal(model.predict(rows), model.booster.predict(matrix))


def test_contributions_add_up_to_the_logit_of_the_prediction(model):
    rows = make_rows(50, seed=6)
    contributions = model.contributions(rows)
    assert contributions.shape == (50, len(FEATURES) + 1)
    score = model.predict(rows)
    np.testing.assert_allclose(contributions.sum(axis=1), np.log(score / (1 - score)), atol=1e-4)


def test_pandas_and_arrow_agree(model):
    rows = make_rows(seed=4)
    np.testing.assert_array_equal(model.predict(rows.to_pandas()), model.predict(rows))


def test_order_of_columns_and_extra_columns_do_not_matter(model):
    rows = make_rows(seed=5)
    np.testing.assert_array_equal(model.predict(rows.select(rows.column_names[::-1])), model.predict(rows))


def test_no_rows_give_no_predictions(model):
    assert model.predict(make_rows().slice(0, 0)).shape == (0,)


def test_an_unseen_category_counts_as_missing(model):
    rows = make_rows(10)
    unseen = rows.set_column(0, "carrier", pa.array(["ZZ"] * 10))
    missing = rows.set_column(0, "carrier", pa.nulls(10, pa.string()))
    np.testing.assert_array_equal(model.predict(unseen), model.predict(missing))


def test_a_missing_column_is_named(model):
    with pytest.raises(RowsError, match=r"Feature 'delay' is not in the rows.*It has: carrier, holiday, hour, late\."):
        model.predict(make_rows(3).drop_columns(["delay"]))


def test_mixed_types_in_pandas_are_refused(model):
    rows = make_rows(2).to_pandas().assign(hour=pd.Series([1, "x"], dtype=object))
    with pytest.raises(RowsError, match="a column that has no one type"):
        model.predict(rows)


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
        read(path)


def test_a_foreign_model_is_refused(model, tmp_path):
    model.booster.save_model(tmp_path / "model.ubj")
    with pytest.raises(ModelFileError, match="a model without transformations"):
        read(tmp_path / "model.ubj")
