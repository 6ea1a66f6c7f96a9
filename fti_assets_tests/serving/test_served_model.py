"""Versions are held against what the registered model predicts before they answer; the quick way and the plain one agree."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fti_assets.file_hash import sha256_of
from fti_assets.model_registry import ModelVersion
from fti_assets.predictive_models import ForestModel, SklearnModel
from fti_assets.serving.check_rows import check_rows, furthest, plain_predictions
from fti_assets.serving.errors import RequestError, ServingError
from fti_assets.serving.fetching import fetch
from fti_assets.serving.served_model import ServedModel
from fti_assets.serving.version_files import CHECK, DESCRIPTION, VersionFolder
from fti_assets_tests.serving.contracts import MODEL, NOW, VIEW
from fti_assets_tests.serving.examples import make_linear_model, make_model, training_rows


@pytest.fixture(scope="module")
def house(make_house):
    return make_house()


@pytest.fixture
def kept(house, tmp_path):
    """A copy of the champion, in a folder of its own."""
    shutil.copytree(house.kept.folder, tmp_path / "flight_delay")
    return VersionFolder(tmp_path, "flight_delay")


def described(kept, **changes):
    """The version with another description, the hashes of what is there now in it."""
    last = kept.last()
    hashes = {file: sha256_of(last.folder / file) for file in last.sha256}
    said = {**json.loads((last.folder / DESCRIPTION).read_text()), "sha256": hashes, **changes}
    (last.folder / DESCRIPTION).write_text(json.dumps(said))
    return replace(last, **{"sha256": hashes, **changes})


def test_the_quick_way_and_the_plain_one_agree(kept):
    served = ServedModel(MODEL, kept)
    scorer = served.prepare(kept.last())
    assert isinstance(scorer.model, ForestModel)
    rows = check_rows(scorer.plain, training_rows(50), count=2_000)
    assert [feature.name for feature in scorer.plain.transformations.features] == list(scorer.names)
    plain = plain_predictions(scorer.plain, rows)
    assert furthest(scorer.predict(list(zip(*rows, strict=True))), plain.tolist()) < 1e-6
    one_by_one = [scorer.predict([[value] for value in row])[0] for row in rows[:200]]
    assert furthest(np.array(one_by_one), plain[:200].tolist()) < 1e-6
    assert scorer.distance_from_plain() < 1e-6


def test_check_rows_hold_nulls_unknown_categories_and_all_types():
    rows = check_rows(make_model(), training_rows(50))
    columns = dict(zip(VIEW.feature_names, zip(*rows, strict=True), strict=True))
    assert all(None in values for values in columns.values())
    assert {"AA", "B6", "UA", "no category has this name"} <= set(columns["carrier"])
    assert {type(value) for value in columns["fleet"]} == {int, type(None)}
    assert {True, False} <= set(columns["holiday"])
    assert rows == check_rows(make_model(), training_rows(50))


STARTS = """
import sys
from pathlib import Path
from fti_assets.serving.served_model import ServedModel
from fti_assets.serving.version_files import VersionFolder
from fti_assets_tests.serving.contracts import MODEL
served = ServedModel(MODEL, VersionFolder(Path(sys.argv[1]), "flight_delay"))
served.start_from_copy()
champion = served.answering.champion
assert "numba" not in sys.modules and not champion.is_compiled
rows = list(zip(*champion.kept.check()["rows"], strict=True))
before = champion.predict(rows).tolist()
served.compile()
assert "numba" in sys.modules and champion.is_compiled
assert champion.predict(rows).tolist() == before
"""


def test_a_server_starts_without_compiled_code_and_goes_on_with_it(kept):
    subprocess.run([sys.executable, "-c", STARTS, str(kept.folder.parent)], check=True)


def test_compiled_code_that_predicts_something_else_is_not_used(kept, caplog):
    from fti_assets.predictive_models import to_forest

    served = ServedModel(MODEL, kept)
    served.start_from_copy()
    champion = served.answering.champion
    champion.model = to_forest(make_model(5))
    for _ in range(2):
        served.compile()
        assert not champion.is_compiled
    assert caplog.text.count("goes on by numpy: its compiled code predicts what is") == 1


def test_a_translation_that_predicts_something_else_is_not_used(kept):
    """The other one is whole, but of another model."""
    from fti_assets.predictive_models import to_forest

    to_forest(make_model(5)).save(kept.last().folder)
    scorer = ServedModel(MODEL, kept).prepare(described(kept))
    assert scorer.path == "XGBoostModel"


def test_a_version_that_predicts_something_else_is_refused(kept):
    last = kept.last()
    said = json.loads((last.folder / CHECK).read_text())
    said["predictions"][0] += 2e-6
    (last.folder / CHECK).write_text(json.dumps(said))
    with pytest.raises(ServingError, match=r"predicts by XGBoostModel what is up to 2\.0e-06 away"):
        ServedModel(MODEL, kept).prepare(described(kept))


@pytest.mark.parametrize("file", [ForestModel.FILE, CHECK])
def test_a_kept_file_that_was_changed_is_refused(kept, file):
    path = kept.last().folder / file
    path.write_bytes(path.read_bytes() + b" ")
    served = ServedModel(MODEL, kept)
    served.start_from_copy()
    if file == CHECK:
        assert served.answering.champion is None
        assert "is not the file that was kept" in served.standing.problem
    else:  # the registered model is whole
        assert served.answering.champion.path == "XGBoostModel"


def test_a_kept_description_that_is_damaged_is_as_none(kept):
    (kept.last().folder / DESCRIPTION).write_text("{")
    assert kept.last() is None
    served = ServedModel(MODEL, kept)
    served.start_from_copy()
    assert served.answering.champion is None


def test_a_copy_in_another_format_is_as_none(kept):
    file = kept.last().folder / DESCRIPTION
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 0}))
    assert kept.last() is None


@pytest.mark.parametrize(
    ("view_version", "what"),
    [pytest.param(2, "was trained on version 2", id="another"), pytest.param(None, "says no version", id="none")],
)
def test_a_version_of_another_view_is_refused(kept, view_version, what):
    with pytest.raises(ServingError, match=what):
        ServedModel(MODEL, kept).prepare(described(kept, view_version=view_version))


def test_a_version_that_reads_what_the_view_lacks_is_refused(kept):
    narrow = replace(VIEW, features=VIEW.features[:2])
    contract = replace(MODEL, dataset=replace(MODEL.dataset, view=narrow))
    with pytest.raises(ServingError, match=r"reads 'fleet' \(int\), but the view 'flight_delay_v1' lacks it"):
        ServedModel(contract, kept).prepare(kept.last())


def test_a_model_that_cannot_be_translated_serves_as_it_is_and_gives_no_reasons(tmp_path):
    file = make_linear_model().save(tmp_path)
    scorer = ServedModel(MODEL, VersionFolder(tmp_path, "flight_delay")).prepare(fetched(file.name, file.read_bytes(), tmp_path))
    assert isinstance(scorer.model, SklearnModel)
    assert "cannot be translated" in scorer.kept.untranslated
    with pytest.raises(RequestError, match="only an XGBoostModel can be explained") as refused:
        scorer.explain([(None,)] * len(VIEW.feature_names))
    assert refused.value.status == 422


def fetched(file, content, root):
    """A version as it is kept, of a model that no registry has."""
    tags = {"model_file": file, "model_sha256": hashlib.sha256(content).hexdigest(), "view_version": "1"}
    version = ModelVersion(
        name="flight_delay", version=1, aliases=(), run_id="", experiment_id="", metrics={}, tags=tags, created_at=NOW
    )
    registry = SimpleNamespace(model_file=lambda _: content, example=lambda _: None)
    return fetch(registry, version, VersionFolder(root, "flight_delay"))


def test_old_versions_are_removed(kept):
    last = kept.last()
    for number in range(6):
        (kept.folder / f"{number}-0").mkdir()
    kept.remove_old({last.folder}, keep=2)
    assert last.folder.exists()
    assert sum(one.is_dir() for one in kept.folder.iterdir()) == 3


def test_a_server_loads_no_engine_and_no_framework_of_training():
    code = "import fti_assets.serving.app, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"mlflow", "xgboost", "sklearn", "torch", "onnx", "duckdb", "pandas", "polars", "dagster", "great_expectations"}
    assert heavy & set(done.stdout.split()) == set()
