import json
import pickle
import zipfile
from io import BytesIO

import numpy as np
import pytest

from fti_assets.predictive_models import ModelFileError, SklearnModel
from fti_assets.vocabulary import Categorical, Numeric
from fti_assets_tests.model_registry.examples import Explosive, make_rows, make_transformations

NUMBERS_ONLY = (Numeric(impute="mean", scale="standard"), Categorical(encode="one_hot"))


def make(estimator):
    rows = make_rows()
    transformations = make_transformations(rows, NUMBERS_ONLY)
    return SklearnModel(estimator.fit(transformations.matrix(rows), rows["late"].to_numpy().astype(int)), transformations, "late")


@pytest.fixture(scope="module")
def linear():
    from sklearn.linear_model import LogisticRegression

    return make(LogisticRegression())


@pytest.fixture(scope="module")
def content(linear, tmp_path_factory):
    return linear.save(tmp_path_factory.mktemp("linear")).read_bytes()


def rewritten(content, change=lambda schema: None, members=()):
    """The archive with another schema, and with members besides."""
    with zipfile.ZipFile(BytesIO(content)) as given:
        found = {name: given.read(name) for name in given.namelist()}
    schema = json.loads(found["schema.json"])
    change(schema)
    written = BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        for name, one in {**found, "schema.json": json.dumps(schema).encode(), **dict(members)}.items():
            made.writestr(name, one)
    return written.getvalue()


def test_a_saved_model_predicts_the_same_and_has_the_same_bytes(linear, content, tmp_path):
    loaded = SklearnModel.from_bytes(content)
    np.testing.assert_array_equal(loaded.predict(make_rows(seed=1)), linear.predict(make_rows(seed=1)))
    assert (loaded.transformations, loaded.label) == (linear.transformations, "late")
    assert loaded.save(tmp_path).read_bytes() == content
    assert loaded.predict(make_rows().slice(0, 0)).shape == (0,)


def test_histogram_boosting_is_read_too(tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = make(HistGradientBoostingClassifier(max_iter=5))
    loaded = SklearnModel.from_bytes(model.save(tmp_path).read_bytes())
    np.testing.assert_array_equal(loaded.predict(make_rows(seed=1)), model.predict(make_rows(seed=1)))


def test_a_pickle_in_place_of_an_array_is_not_executed(content, tmp_path):
    marker = tmp_path / "executed"
    payload = pickle.dumps(Explosive(marker))
    with zipfile.ZipFile(BytesIO(content)) as given:
        array = next(name for name in given.namelist() if name.endswith(".npy"))
    with pytest.raises(ModelFileError, match="skops cannot read"):
        SklearnModel.from_bytes(rewritten(content, members=[(array, payload)]))
    assert not marker.exists()
    pickle.loads(payload)  # it would have done it
    assert marker.exists()


def test_a_pickle_beside_the_model_is_refused(content, tmp_path):
    marker = tmp_path / "executed"
    with pytest.raises(ModelFileError, match=r"'extra\.pkl', a pickle"):
        SklearnModel.from_bytes(rewritten(content, members=[("extra.pkl", pickle.dumps(Explosive(marker)))]))
    assert not marker.exists()


def test_types_that_are_not_allowed_are_never_made(content):
    def exchange(schema):
        schema["content"]["estimator"].update({"__module__": "os", "__class__": "system"})

    with pytest.raises(ModelFileError, match=r"types that a model may not be made of: .*os\.system"):
        SklearnModel.from_bytes(rewritten(content, exchange))


def test_a_description_that_nests_too_deep_is_a_damaged_file(content):
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    with pytest.raises(ModelFileError, match="skops cannot read"):
        SklearnModel.from_bytes(rewritten(content, members=[("schema.json", deep)]))


def test_an_array_that_claims_to_be_huge_is_a_damaged_file(content):
    with zipfile.ZipFile(BytesIO(content)) as given:
        array = next(name for name in given.namelist() if name.endswith(".npy"))
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    head = head.ljust(117) + b"\n"
    huge = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    with pytest.raises(ModelFileError, match="skops cannot read"):
        SklearnModel.from_bytes(rewritten(content, members=[(array, huge)]))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[:-100], id="truncated"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content.replace(b"PK\x03\x04", b"PK\x03\x05", 1), id="damaged_member"),
    ],
)
def test_a_damaged_file_is_named(content, spoil):
    with pytest.raises(ModelFileError, match=r"x\.skops"):
        SklearnModel.from_bytes(spoil(content), source="x.skops")


def test_an_archive_without_a_classifier_is_refused():
    import skops.io

    for said in ({"fti_assets": "{}"}, [1], {"estimator": 3}):
        with pytest.raises(ModelFileError, match="without an estimator"):
            SklearnModel.from_bytes(skops.io.dumps(said))
