"""Attacks on what is loaded: each leaves a mark if anything of it is executed."""

import hashlib
import os
import pickle
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.model_registry import TamperedModelError
from fti_assets.model_registry._artifacts import read_artifact
from fti_assets.predictive_models import ModelFileError

from .examples import Explosive, make_contract, make_model, make_record
from .test_registry import model_file

MODEL = make_model()


@pytest.fixture
def make_version(registry):
    def make(name):
        return registry.log_training(make_contract(name), make_record(MODEL))

    return make


def record(registry, version, content, file=None):
    """Puts content in the place of the model file, and its SHA-256 into the registry: the attacker can write to both."""
    path = model_file(registry, version)
    path.unlink()
    (path.parent / (file or path.name)).write_bytes(content)
    tags = {"model_sha256": hashlib.sha256(content).hexdigest(), "model_bytes": str(len(content)), "model_file": file or path.name}
    for key, value in tags.items():
        registry._client.set_model_version_tag(version.name, str(version.version), key, value)


def archive(name, content):
    written = BytesIO()
    with zipfile.ZipFile(written, "w") as made:
        made.writestr(name, content)
    return written.getvalue()


@pytest.mark.parametrize(
    ("file", "wrap", "error"),
    [
        pytest.param("model.ubj", lambda content: content, ModelFileError, id="as_xgboost"),
        pytest.param("model.safetensors", lambda content: content, ModelFileError, id="as_torch"),
        pytest.param("model.skops", lambda content: content, ModelFileError, id="as_sklearn"),
        pytest.param("model.skops", lambda content: archive("model.pkl", content), ModelFileError, id="in_an_archive"),
        pytest.param("model.skops", lambda content: archive("schema.json", content), ModelFileError, id="as_a_schema"),
        pytest.param("model.skops", lambda content: archive("../../schema.json", content), ModelFileError, id="zip_slip"),
        pytest.param("model.pkl", lambda content: content, NotFoundError, id="as_itself"),
        pytest.param("../model.pkl", lambda content: content, NotFoundError, id="elsewhere"),
    ],
)
def test_a_pickle_is_never_executed_although_its_sha256_is_recorded(registry, make_version, tmp_path, request, file, wrap, error):
    marker = tmp_path / "executed"
    version = make_version(f"pickled_{request.node.callspec.id}")
    record(registry, version, wrap(pickle.dumps(Explosive(marker))), file)
    with pytest.raises(error):
        registry.load(version.name, version.version)
    assert not marker.exists()


def test_the_marker_marks(tmp_path):
    pickle.loads(pickle.dumps(Explosive(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


def test_a_link_in_the_place_of_the_model_file_is_not_followed(registry, make_version, tmp_path):
    version = make_version("linked_file")
    path = model_file(registry, version)
    path.rename(tmp_path / "elsewhere.ubj")  # the same content, so that the SHA-256 is right
    path.symlink_to(tmp_path / "elsewhere.ubj")
    with pytest.raises(TamperedModelError, match=r"'model\.ubj' of .* is a link\. It was not followed\."):
        registry.load("linked_file", 1)


def test_a_link_in_the_place_of_its_folder_is_not_followed(registry, make_version, tmp_path):
    version = make_version("linked_folder")
    folder = model_file(registry, version).parent
    folder.rename(tmp_path / "data")
    folder.symlink_to(tmp_path / "data")
    with pytest.raises(TamperedModelError, match=r"'data' of .* is a link"):
        registry.load("linked_folder", 1)


def test_a_named_pipe_does_not_keep_it_waiting(registry, make_version):
    path = model_file(registry, make_version("piped"))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(TamperedModelError, match="is no plain file"):
        registry.load("piped", 1)


def test_a_folder_in_its_place_is_refused(registry, make_version):
    path = model_file(registry, make_version("a_folder"))
    path.unlink()
    path.mkdir()
    with pytest.raises(TamperedModelError, match="is no plain file"):
        registry.load("a_folder", 1)


def test_a_larger_file_than_was_registered_is_not_read(registry, make_version):
    version = make_version("grown")
    with model_file(registry, version).open("ab") as file:
        file.truncate(2**40)  # takes no room on disk, and no memory would hold it
    with pytest.raises(TamperedModelError, match=r"has 1,099,511,627,776 bytes; [\d,]+ are allowed\. It was not read"):
        registry.load("grown", 1)


def test_a_file_beside_a_model_is_limited_too(tmp_path):
    (tmp_path / "card.md").write_bytes(b"x" * 11)
    with pytest.raises(TamperedModelError, match="has 11 bytes; 10 are allowed"):
        read_artifact("sqlite://", str(tmp_path), "card.md", largest=10)
    assert read_artifact("sqlite://", tmp_path.as_uri(), "card.md", largest=11) == b"x" * 11
    with pytest.raises(FileNotFoundError):
        read_artifact("sqlite://", str(tmp_path), "environment.txt", largest=10)


@pytest.mark.parametrize("spoil", ["other_content", "link", "no_record"])
def test_mlflow_itself_refuses_what_its_own_record_does_not_describe(registry, make_version, tmp_path, spoil):
    version = make_version(f"pyfunc_{spoil}")
    path = model_file(registry, version)
    if spoil == "other_content":
        path.write_bytes(make_model(seed=3).save(tmp_path).read_bytes())
    elif spoil == "link":
        path.rename(tmp_path / "elsewhere.ubj")
        path.symlink_to(tmp_path / "elsewhere.ubj")
    else:
        described = path.parent.parent / "MLmodel"
        described.write_text(described.read_text().replace("model_sha256", "another"))
    code = f"""
import mlflow
from fti_assets.model_registry import TamperedModelError
try:
    mlflow.pyfunc.load_model({str(path.parent.parent)!r})
except TamperedModelError as error:
    print("refused", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("refused"), done.stderr


def test_what_is_refused_is_said_as_an_error_of_ours(registry, make_version):
    version = make_version("explained")
    record(registry, version, b"\x80\x04N.")
    with pytest.raises(FtiError, match=r"explained|model\.ubj"):
        registry.load("explained", 1)
