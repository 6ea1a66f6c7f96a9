"""What is kept of a version beside its model: card, slices, environment, lineage; and all of it in a folder."""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fti_assets.errors import FtiError
from fti_assets.model_registry import Lineage, TamperedModelError
from fti_assets.model_registry.environment import environment
from fti_assets.model_registry.export import export

from .examples import make_contract, make_model, make_record, make_rows
from .test_registry import model_file

MODEL = make_model()
SLICES = ({"column": "carrier", "value": "UA", "rows": 120, "auc": 0.7},)
TAGS = {
    "dagster_run_id": "abc",
    "dataset_id": "2024-s12",
    "dataset_hash": "5f" * 32,
    "snapshot": "12",
    "view_version": "2",
    "groups": "weather_v1, routes_v3",
    "code_version": "0.1.0",
    "program": "shop.models:delay",
}


@pytest.fixture(scope="module")
def version(registry):
    record = make_record(MODEL, card="# Delays\n\nFor tests.", slices=SLICES, tags=TAGS)
    return registry.log_training(make_contract("described"), record)


def test_card_and_slices_are_kept(registry, version):
    assert registry.card(version) == "# Delays\n\nFor tests."
    assert registry.slices(version) == list(SLICES)
    assert registry.pictures(version) == {"roc": b"\x89PNG"}
    assert registry._client.get_model_version("described", "1").description == "# Delays\n\nFor tests."


def test_where_there_is_none_it_is_empty(registry):
    plain = registry.log_training(make_contract("plain"), make_record(MODEL, figures={}))
    assert (registry.card(plain), registry.slices(plain), registry.pictures(plain)) == ("", [], {})


def test_a_long_card_is_whole_as_a_file_and_cut_as_a_description(registry):
    card = "x" * 20_000
    long = registry.log_training(make_contract("long_card"), make_record(MODEL, card=card))
    assert registry.card(long) == card
    assert len(registry._client.get_model_version("long_card", "1").description) == 5000


def test_what_was_installed_is_kept(registry, version):
    packages = registry.environment(version)
    assert packages["mlflow"] == installed("mlflow")
    assert packages["scikit-learn"] == installed("scikit-learn")
    assert list(packages) == sorted(packages)
    assert version.tags["environment_sha256"] == hashlib.sha256(environment().encode()).hexdigest()


def test_the_lineage_says_all_that_was_recorded(version):
    found = Lineage.of(version)
    assert (found.model, found.version, found.snapshot, found.view_version) == ("described", 1, 12, 2)
    assert found.groups == ("weather_v1", "routes_v3")
    assert (found.dataset_id, found.program, found.code_version) == ("2024-s12", "shop.models:delay", "0.1.0")
    assert (found.dagster_run_id, found.mlflow_run_id) == ("abc", version.run_id)
    assert found.model_sha256 == version.tags["model_sha256"]


def test_an_export_is_read_without_mlflow(registry, version, tmp_path):
    files = export(registry, version, tmp_path / "made" / "delay")
    assert {file.name for file in files} == {
        "model.ubj",
        "card.md",
        "lineage.json",
        "environment.txt",
        "requirements.txt",
        "example.parquet",
        "slices.json",
        "README.md",
    }
    lineage = json.loads((tmp_path / "made/delay/lineage.json").read_text())
    assert (lineage["snapshot"], lineage["metrics"]["auc_test"]) == (12, 0.75)
    assert f"xgboost=={installed('xgboost')}" in (tmp_path / "made/delay/requirements.txt").read_text()
    readme = (tmp_path / "made/delay/README.md").read_text()
    code = readme.partition("```python\n")[2].partition("```")[0] + "\nimport sys; assert 'mlflow' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path / "made/delay")
    scores = [float(one) for one in done.stdout.strip().strip("[]").split()]
    example = pq.read_table(tmp_path / "made/delay/example.parquet")
    np.testing.assert_allclose(scores, MODEL.predict(example), atol=1e-6)
    assert example.equals(make_rows(3).select(example.column_names))


def test_an_export_does_not_write_over_anything(registry, version, tmp_path):
    (tmp_path / "mine").write_text("x")
    for folder in (tmp_path, tmp_path / "mine"):
        with pytest.raises(FtiError, match="is there already"):
            export(registry, version, folder)
    (tmp_path / "empty").mkdir()
    export(registry, version, tmp_path / "empty")


def test_neither_a_link_nor_the_working_directory_becomes_an_export(registry, version, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(FtiError, match="is a link"):
        export(registry, version, tmp_path / "link")
    monkeypatch.chdir(tmp_path / "empty")
    for folder in (Path(), Path("../empty")):
        with pytest.raises(FtiError, match="is the working directory"):
            export(registry, version, folder)
    assert list((tmp_path / "empty").iterdir()) == []
    export(registry, version, Path("../made"))
    assert (tmp_path / "made" / "model.ubj").is_file()


def test_of_a_damaged_version_nothing_is_exported(registry, tmp_path):
    damaged = registry.log_training(make_contract("not_exported"), make_record(MODEL))
    model_file(registry, damaged).write_bytes(b"x")
    with pytest.raises(TamperedModelError):
        export(registry, damaged, tmp_path / "delay")
    assert list(tmp_path.iterdir()) == []
