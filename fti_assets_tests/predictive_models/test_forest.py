import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load, save

from fti_assets.errors import DefinitionError
from fti_assets.predictive_models import ForestModel, ModelFileError, XGBoostModel, read_model, to_forest
from fti_assets.predictive_models.description import safetensors_metadata
from fti_assets.training import LinearTrainer, TrainingRun, XGBoostTrainer
from fti_assets.transformations import RowsError
from fti_assets.vocabulary import Categorical, Numeric
from fti_assets_tests.predictive_models.examples import write_carriers
from fti_assets_tests.training.examples import make_view

ONE = TrainingRun(threads=1)
MANY = tuple(f"C{n:03}" for n in range(150))
"""So many that their bits take three words."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_carriers(tmp_path_factory.mktemp("forest"), MANY)


def trained(data, trainer, transformations=()):
    return trainer.fit(type(data)(data.folder, make_view(), transformations), ONE).model


@pytest.fixture(scope="module")
def forest(data):
    return to_forest(trained(data, XGBoostTrainer(rounds=9, max_cat_to_onehot=1)))


@pytest.mark.parametrize(
    ("trainer", "transformations"),
    [
        pytest.param(XGBoostTrainer(rounds=61, max_cat_to_onehot=1), (), id="sets_of_categories"),
        pytest.param(XGBoostTrainer(rounds=60, max_cat_to_onehot=1000), (), id="single_categories"),
        pytest.param(
            XGBoostTrainer(rounds=59, max_depth=9, min_child_weight=1), (Categorical(encode="one_hot"),), id="numbers_only"
        ),
        pytest.param(XGBoostTrainer(rounds=3, min_child_weight=1e9), (), id="trees_of_one_leaf"),
        pytest.param(XGBoostTrainer(rounds=6), (Numeric(impute="median", indicator=True),), id="filled"),
    ],
)
def test_the_forest_predicts_what_the_model_predicts(trainer, transformations, data, tmp_path):
    model = trained(data, trainer, transformations)
    rows = data.split("test")
    unseen = rows.set_column(rows.column_names.index("carrier"), "carrier", pa.array(["ZZ"] * rows.num_rows))

    forest = to_forest(model)

    for given in (rows, unseen, *(rows.slice(5, count) for count in range(9))):
        np.testing.assert_allclose(forest.predict(given), model.predict(given), rtol=0, atol=1e-6)
    alone = [forest.predict(rows.slice(n, 1))[0] for n in range(100)]
    np.testing.assert_array_equal(alone, forest.predict(rows)[:100])
    assert_numpy_gives_the_same(forest, forest.transformations.matrix(unseen))
    file = forest.save(tmp_path)
    read = read_model(file.name, file.read_bytes(), source=str(file))
    np.testing.assert_array_equal(read.predict(rows), forest.predict(rows))
    assert read.transformations == model.transformations
    assert read.label == "late"


@pytest.mark.parametrize("seed", range(4))
def test_numbers_and_categories_of_every_kind_go_where_xgboost_sends_them(seed, data):
    """Far beyond what was seen, at the splits themselves, missing, and categories without a name."""
    chance = np.random.default_rng(seed)
    model = trained(data, XGBoostTrainer(rounds=30, max_depth=8, min_child_weight=1, max_cat_to_onehot=2))
    forest = to_forest(model)
    matrix = np.empty((501, len(model.transformations.columns)), np.float32)
    for place, column in enumerate(model.transformations.columns):
        splits = forest.nodes["split"][forest.nodes["cell"] // 2 == place]
        odd = [np.nan, -0.0, 0.0, 3.4e38, -3.4e38, 1e-40, *splits[:50]]
        if column.categories is not None:
            odd = [np.nan, 0, 1, 63, 64, 127, 128, 149, 5000]
        matrix[:, place] = chance.choice(np.array(odd, np.float32), len(matrix))
    np.testing.assert_allclose(forest.predict_matrix(matrix), model.predict_matrix(matrix), rtol=0, atol=1e-6)
    assert_numpy_gives_the_same(forest, matrix)


def assert_numpy_gives_the_same(forest, matrix):
    for given in (matrix, *(matrix[5 : 5 + count] for count in range(4))):
        np.testing.assert_array_equal(forest.predict_matrix_by_numpy(given), forest.predict_matrix(given))


def test_an_array_in_another_order_is_no_other_matrix(forest, data):
    matrix = forest.transformations.matrix(data.split("test"))
    expected = forest.predict_matrix(matrix)
    fixed = matrix.copy()
    fixed.flags.writeable = False
    for other in (np.asfortranarray(matrix), matrix.astype(np.float64), fixed):
        np.testing.assert_array_equal(forest.predict_matrix(other), expected)
    with pytest.raises(RowsError, match=f"The matrix has 2 columns, but the model reads {matrix.shape[1]}"):
        forest.predict_matrix(matrix[:, :2])


def test_a_model_without_trees_is_refused(data):
    dense = (Numeric(impute=0.0, scale="standard"), Categorical(encode="one_hot"))
    with pytest.raises(DefinitionError, match="A SklearnModel has no trees"):
        to_forest(trained(data, LinearTrainer(), dense))


def test_a_booster_that_predicts_something_else_is_refused(forest):
    import xgboost

    rows = xgboost.DMatrix(np.arange(20, dtype=np.float32).reshape(10, 2), label=np.arange(10))
    booster = xgboost.train({"objective": "reg:squarederror"}, rows, num_boost_round=1)
    with pytest.raises(DefinitionError, match="'gbtree' with the objective 'reg:squarederror'"):
        to_forest(XGBoostModel(booster, forest.transformations, "late"))


def beyond(name, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][-1] = value

    return pytest.param(change, id=name)


@pytest.mark.parametrize(
    "change",
    [
        *(beyond(name, 2**31) for name in ("left", "word", "roots", "depths")),
        beyond("cell", 8),
        pytest.param(lambda arrays: arrays.update(words=arrays["words"][:0]), id="no_words"),
        pytest.param(lambda arrays: arrays.update(split=arrays["split"].astype("f8")), id="another_type"),
        pytest.param(lambda arrays: arrays.update(depths=arrays["depths"][1:]), id="fewer_depths"),
        pytest.param(lambda arrays: arrays.update(left=arrays["left"][1:]), id="fewer_children"),
        pytest.param(lambda arrays: arrays.pop("roots"), id="no_roots"),
        pytest.param(lambda arrays: arrays.update(words=arrays["words"] & np.uint64(2**63 - 1)), id="leaves_that_go_right"),
    ],
)
def test_a_file_whose_walk_would_leave_its_arrays_is_refused(change, forest, tmp_path):
    content = forest.save(tmp_path).read_bytes()
    arrays = load(content)
    change(arrays)
    with pytest.raises(ModelFileError, match="The trees in model do not fit together"):
        ForestModel.from_bytes(save(arrays, metadata=safetensors_metadata(content)), source="model")


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(b"no trees at all", id="garbage")])
def test_what_is_no_file_of_trees_is_refused(content):
    with pytest.raises(ModelFileError, match="safetensors cannot read model"):
        ForestModel.from_bytes(content, source="model")
