import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.predictive_models import ModelFileError, OnnxModel, read_model, to_onnx
from fti_assets.training import LinearTrainer, TorchTrainer, TrainingRun, XGBoostTrainer
from fti_assets.vocabulary import Categorical, Numeric
from fti_assets_tests.predictive_models.examples import write_carriers
from fti_assets_tests.training.examples import make_view

ONE = TrainingRun(threads=1)
MANY = tuple(f"C{n:02}" for n in range(30))
NUMBERS = (Numeric(impute="median", indicator=True, scale="standard"), Categorical())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_carriers(tmp_path_factory.mktemp("onnx"), MANY)


def made(data, transformations=()):
    return type(data)(data.folder, make_view(), transformations)


@pytest.mark.parametrize(
    ("trainer", "transformations"),
    [
        pytest.param(XGBoostTrainer(rounds=60, max_cat_to_onehot=1), (), id="sets_of_categories"),
        pytest.param(XGBoostTrainer(rounds=60, max_cat_to_onehot=100), (), id="single_categories"),
        pytest.param(
            XGBoostTrainer(rounds=60, max_depth=9, min_child_weight=1), (Categorical(encode="one_hot"),), id="numbers_only"
        ),
        pytest.param(XGBoostTrainer(rounds=3, min_child_weight=1e9), (), id="trees_of_one_leaf"),
        pytest.param(TorchTrainer(epochs=2, hidden=(16,)), NUMBERS, id="network"),
    ],
)
def test_the_graph_predicts_what_the_model_predicts(trainer, transformations, data, tmp_path):
    model = trainer.fit(made(data, transformations), ONE).model
    rows = data.split("test")
    unseen = rows.set_column(rows.column_names.index("carrier"), "carrier", pa.array(["ZZ"] * rows.num_rows))

    graph = to_onnx(model)

    for given in (rows, unseen, rows.slice(0, 1), rows.slice(0, 0)):
        np.testing.assert_allclose(graph.predict(given), model.predict(given), rtol=0, atol=1e-6)
    file = graph.save(tmp_path)
    read = read_model(file.name, file.read_bytes(), source=str(file))
    np.testing.assert_array_equal(read.predict(rows), graph.predict(rows))
    assert read.transformations == model.transformations
    assert read.label == "late"
    assert to_onnx(graph) is graph


def test_a_model_that_cannot_be_translated_says_so(data):
    dense = (Numeric(impute=0.0, scale="standard"), Categorical(encode="one_hot"))
    model = LinearTrainer().fit(made(data, dense), ONE).model
    with pytest.raises(DefinitionError, match="A SklearnModel cannot be translated to ONNX"):
        to_onnx(model)


@pytest.mark.parametrize("content", [pytest.param(b"", id="empty"), pytest.param(b"no graph at all", id="garbage")])
def test_what_is_no_graph_is_refused(content):
    with pytest.raises(ModelFileError, match="ONNX Runtime cannot read model"):
        OnnxModel.from_bytes(content, source="model")


def test_weights_outside_the_file_are_refused(tmp_path, monkeypatch):
    from onnx import TensorProto, helper, numpy_helper

    (tmp_path / "weights").write_bytes(np.ones(1, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    weights = numpy_helper.from_array(np.ones((1, 1), np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("matrix", "probability")]
    node = helper.make_node("MatMul", ["matrix", "weights"], ["probability"])
    graph = helper.make_graph([node], "outside", values[:1], values[1:], [weights])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    with pytest.raises(ModelFileError, match="External data path validation failed"):
        OnnxModel.from_bytes(content, source="outside")


def test_a_graph_without_transformations_is_refused():
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 1]) for name in ("matrix", "probability")]
    graph = helper.make_graph([helper.make_node("Sigmoid", ["matrix"], ["probability"])], "bare", values[:1], values[1:])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    with pytest.raises(ModelFileError, match="without transformations"):
        OnnxModel.from_bytes(content, source="bare")
