import json
import pickle

import numpy as np
import pytest

from fti_assets.predictive_models import ModelFileError, TorchModel
from fti_assets.predictive_models.torch import NetworkShape, build_network
from fti_assets.vocabulary import Numeric
from fti_assets_tests.model_registry.examples import Explosive, make_rows, make_transformations


@pytest.fixture(scope="module")
def model():
    import torch

    torch.manual_seed(0)
    transformations = make_transformations(make_rows(), (Numeric(impute="mean", scale="standard"),))
    shape = NetworkShape.of(transformations.columns, hidden=(8,), dropout=0.1)
    return TorchModel(build_network(shape), shape, transformations, "late")


@pytest.fixture(scope="module")
def content(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("torch")).read_bytes()


def described(content, **settings):
    """The file with another description of its network."""
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    text = json.loads(head["__metadata__"]["fti_assets"])
    text["settings"].update(settings)
    head["__metadata__"]["fti_assets"] = json.dumps(text)
    made = json.dumps(head).encode()
    made += b" " * (-len(made) % 8)
    return len(made).to_bytes(8, "little") + made + content[8 + length :]


def test_a_saved_model_predicts_the_same(model, content):
    loaded = TorchModel.from_bytes(content)
    np.testing.assert_array_equal(loaded.predict(make_rows(seed=1)), model.predict(make_rows(seed=1)))
    assert (loaded.transformations, loaded.shape, loaded.label) == (model.transformations, model.shape, "late")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"hidden": [10**9]}, id="a_layer"),
        pytest.param({"categories": [[0, 10**14]]}, id="an_embedding"),
        pytest.param({"hidden": [8, 8]}, id="one_layer_more"),
    ],
)
def test_a_network_that_its_weights_do_not_fill_is_not_made(content, settings):
    """With the first two, making it would take more memory than there is."""
    with pytest.raises(ModelFileError, match="do not fit its description"):
        TorchModel.from_bytes(described(content, **settings))


def test_a_description_that_is_nested_too_deeply_is_refused(content):
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    head["__metadata__"]["fti_assets"] = "[" * 100_000 + "]" * 100_000
    made = json.dumps(head).encode()
    made += b" " * (-len(made) % 8)
    with pytest.raises(ModelFileError, match=r"The description in .* cannot be read: RecursionError"):
        TorchModel.from_bytes(len(made).to_bytes(8, "little") + made + content[8 + length :])


def test_a_pickle_is_not_executed(tmp_path):
    marker = tmp_path / "executed"
    with pytest.raises(ModelFileError, match="safetensors cannot read"):
        TorchModel.from_bytes(pickle.dumps(Explosive(marker)))
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"x" * 7, bytes(100)])
def test_a_damaged_file_is_named(content):
    with pytest.raises(ModelFileError, match=r"x\.safetensors"):
        TorchModel.from_bytes(content, source="x.safetensors")
