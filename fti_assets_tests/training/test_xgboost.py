import hashlib

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.model_registry import XGBoostModel
from fti_assets.training import DeviceError, XGBoostTrainer, binary_metrics
from fti_assets.vocabulary import SPLITS, Column

from .examples import make_rows, make_view, write_dataset

QUICK = XGBoostTrainer(rounds=30, nthread=1)


def artefact_hash(fitted, folder):
    folder.mkdir()
    return hashlib.sha256(fitted.model.save(folder).read_bytes()).hexdigest()


def test_the_model_finds_what_is_in_the_data(fitted, data):
    figures = binary_metrics(data.labels("test"), fitted.model.predict(data.split("test")))
    assert figures["auc"] > 0.78
    assert figures["calibration_error"] < 0.06
    assert next(iter(fitted.feature_importance)) == "delay"
    assert sum(fitted.feature_importance.values()) == pytest.approx(1)
    assert set(fitted.feature_importance) == set(data.feature_names)


def test_training_stops_early_and_keeps_the_best_round(fitted):
    curve = fitted.learning_curve
    assert set(curve) == {"auc_train", "logloss_train", "auc_validation", "logloss_validation"}
    assert fitted.best_iteration == int(np.argmin(curve["logloss_validation"]))
    assert len(curve["logloss_validation"]) == fitted.best_iteration + 1 + 10
    assert fitted.model.booster.num_boosted_rounds() == fitted.best_iteration + 1


def test_the_learning_curve_is_that_of_the_model(fitted, data):
    score = fitted.model.predict(data.split("validation"))
    figures = binary_metrics(data.labels("validation"), score)
    assert figures["log_loss"] == pytest.approx(fitted.learning_curve["logloss_validation"][fitted.best_iteration], abs=1e-5)
    assert figures["auc"] == pytest.approx(fitted.learning_curve["auc_validation"][fitted.best_iteration], abs=1e-5)


def test_the_same_training_gives_the_same_bytes(data, tmp_path):
    assert artefact_hash(QUICK.fit(data), tmp_path / "a") == artefact_hash(QUICK.fit(data), tmp_path / "b")


def test_another_seed_gives_another_model(data, tmp_path):
    other = XGBoostTrainer(rounds=30, nthread=1, seed=1)
    assert artefact_hash(QUICK.fit(data), tmp_path / "a") != artefact_hash(other.fit(data), tmp_path / "b")


def test_categories_of_later_splits_are_not_learned(tmp_path):
    later = make_rows(300, 1, carriers=("UA", "ZZ"))
    data = write_dataset(tmp_path, {"train": make_rows(500), "validation": later, "test": later})
    model = QUICK.fit(data).model
    assert model.encoding.categories == {"carrier": ("AA", "B6", "UA")}
    assert np.isfinite(model.predict(data.split("test"))).all()


def test_the_saved_model_is_the_trained_one(fitted, data, tmp_path):
    fitted.model.save(tmp_path)
    rows = data.split("test")
    np.testing.assert_allclose(XGBoostModel.load(tmp_path).predict(rows), fitted.model.predict(rows), rtol=0, atol=1e-7)


def test_parameters_are_those_of_the_trainer(fitted):
    assert fitted.params["trainer"] == "xgboost"
    assert (fitted.params["rounds"], fitted.params["metrics"], fitted.params["nthread"]) == (200, "auc, logloss", 1)


def test_progress_is_told(data):
    told = []
    XGBoostTrainer(rounds=60, early_stopping_rounds=60, nthread=1).fit(data, told.append)
    assert [line.split(":")[0] for line in told] == ["round 0", "round 50"]
    assert "validation logloss 0." in told[0]


def test_a_time_cannot_be_trained_on(tmp_path):
    view = make_view((Column("delay", "float"), Column("booked", "timestamp")))
    rows = make_rows(20).append_column("booked", make_rows(20)["at"])
    with pytest.raises(DefinitionError, match="Feature 'booked' is a timestamp"):
        QUICK.fit(write_dataset(tmp_path, dict.fromkeys(SPLITS, rows), view))


def test_a_feature_that_is_never_there_is_no_obstacle(tmp_path):
    rows = make_rows(200).set_column(2, "carrier", pa.nulls(200, pa.string()))
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, rows))
    assert QUICK.fit(data).feature_importance["carrier"] == 0


def test_a_gpu_that_is_not_there_is_refused_before_data_is_read():
    from fti_assets.training.xgboost import _gpus

    if _gpus():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceError, match="Device 'cuda' is asked for, but"):
        XGBoostTrainer(device="cuda").fit(None)
