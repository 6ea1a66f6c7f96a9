"""What every trainer promises, whatever its framework."""

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from fti_assets.compute import DeviceError, gpus
from fti_assets.errors import DefinitionError
from fti_assets.predictive_models import read_model
from fti_assets.training import (
    HistogramTrainer,
    LinearTrainer,
    TorchTrainer,
    TrainingDataError,
    TrainingRun,
    XGBoostTrainer,
    binary_metrics,
)
from fti_assets.transformations import RowsError
from fti_assets.vocabulary import SPLITS, Categorical, Column, Numeric

from .examples import make_rows, make_view, write_dataset

RAW = ()
NUMBERS = (Numeric(impute="median", indicator=True, scale="standard"), Categorical(minimum_rows=5))
DENSE = (Numeric(impute="median", indicator=True, scale="standard"), Categorical(encode="one_hot"))

XGBOOST = XGBoostTrainer(rounds=40, learning_rate=0.2)
TORCH = TorchTrainer(epochs=6, batch_rows=128, hidden=(32,), learning_rate=1e-2)
HISTOGRAM = HistogramTrainer(rounds=60, min_samples_leaf=20)
LINEAR = LinearTrainer()
ONE = TrainingRun(threads=1)

every_trainer = pytest.mark.parametrize(
    ("trainer", "transformations"),
    [
        pytest.param(XGBOOST, RAW, id="xgboost"),
        pytest.param(TORCH, NUMBERS, id="torch"),
        pytest.param(HISTOGRAM, RAW, id="histogram"),
        pytest.param(LINEAR, DENSE, id="linear"),
    ],
)


def as_trained(data, transformations):
    return type(data)(data.folder, data.view, transformations)


@pytest.fixture(scope="module")
def once(data):
    """What a trainer makes of the data, trained once for the tests that only look at it; and the lines that it told."""

    @cache
    def train(trainer, transformations):
        told = []
        return trainer.fit(as_trained(data, transformations), replace(ONE, progress=told.append)), told

    return train


def artefact_hash(fitted, folder):
    folder.mkdir()
    return hashlib.sha256(fitted.model.save(folder).read_bytes()).hexdigest()


@every_trainer
def test_it_finds_what_is_in_the_data(trainer, transformations, data, once):
    fitted, _ = once(trainer, transformations)

    figures = binary_metrics(data.labels("test"), fitted.model.predict(data.split("test")))
    assert figures["auc"] > 0.78
    assert figures["calibration_error"] < 0.08
    assert fitted.model.label == "late"


@every_trainer
def test_the_same_training_gives_the_same_bytes(trainer, transformations, data, once, tmp_path):
    first, _ = once(trainer, transformations)
    again = trainer.fit(as_trained(data, transformations), ONE)
    assert artefact_hash(first, tmp_path / "a") == artefact_hash(again, tmp_path / "b")


@every_trainer
def test_another_seed_gives_another_model(trainer, transformations, data, once, tmp_path):
    if trainer is LINEAR:
        pytest.skip("nothing is drawn at random in a logistic regression")
    first, _ = once(trainer, transformations)
    other = trainer.fit(as_trained(data, transformations), replace(ONE, seed=1))
    assert artefact_hash(first, tmp_path / "a") != artefact_hash(other, tmp_path / "b")


@every_trainer
def test_the_saved_model_is_the_trained_one(trainer, transformations, data, once, tmp_path):
    model = once(trainer, transformations)[0].model
    file = model.save(tmp_path)

    read = read_model(file.name, file.read_bytes(), source=str(file))

    rows = data.split("test")
    np.testing.assert_allclose(read.predict(rows), model.predict(rows), rtol=0, atol=1e-7)
    assert read.transformations == model.transformations
    assert read.label == "late"


@every_trainer
def test_one_row_is_predicted_as_among_many(trainer, transformations, data, once):
    model = once(trainer, transformations)[0].model
    rows = data.split("test").slice(0, 20)

    alone = np.concatenate([model.predict(rows.slice(n, 1)) for n in range(20)])

    np.testing.assert_allclose(alone, model.predict(rows), rtol=0, atol=1e-6)
    assert model.predict(rows.slice(0, 0)).shape == (0,)


@every_trainer
def test_unseen_and_missing_values_have_a_result(trainer, transformations, data, once):
    model = once(trainer, transformations)[0].model
    rows = data.split("test").slice(0, 3)
    position = rows.column_names.index("carrier")
    unseen = rows.set_column(position, "carrier", pa.array(["ZZ", "ZZ", "ZZ"]))
    missing = rows.set_column(position, "carrier", pa.nulls(3, pa.string()))

    assert np.isfinite(model.predict(missing)).all()
    np.testing.assert_array_equal(model.predict(unseen), model.predict(missing))
    with pytest.raises(RowsError, match="Feature 'carrier' is not in the rows given to the model"):
        model.predict(rows.drop_columns("carrier"))


@every_trainer
def test_positive_rows_may_weigh_more(trainer, transformations, data, once):
    plain = once(trainer, transformations)[0].model.predict(data.split("test")).mean()
    balanced = replace(trainer, class_weight="balanced").fit(as_trained(data, transformations), ONE)
    heavy = balanced.model.predict(data.split("test")).mean()

    assert data.labels("train").mean() < 0.4
    assert plain == pytest.approx(data.labels("train").mean(), abs=0.05)
    assert heavy == pytest.approx(0.5, abs=0.07)


@every_trainer
def test_a_weight_that_is_none_is_refused(trainer, transformations, data):
    with pytest.raises(DefinitionError, match="The class weight is 0"):
        replace(trainer, class_weight=0).fit(as_trained(data, transformations), ONE)


@every_trainer
def test_it_tells_how_it_goes(trainer, transformations, once):
    _, told = once(trainer, transformations)
    assert told


@every_trainer
def test_a_gpu_that_is_not_there_is_refused_before_data_is_read(trainer, transformations):
    if gpus():
        pytest.skip("this machine has a GPU")
    with pytest.raises(DeviceError, match="Device 'cuda' is asked for, but"):
        trainer.fit(None, TrainingRun(device="cuda"))


@every_trainer
def test_a_device_that_is_none_is_refused(trainer, transformations):
    with pytest.raises(DeviceError, match="'tpu' is no device"):
        trainer.fit(None, TrainingRun(device="tpu"))


@every_trainer
def test_categories_of_later_splits_are_not_learned(trainer, transformations, tmp_path):
    later = make_rows(300, 1, carriers=("UA", "ZZ"))
    data = write_dataset(tmp_path, {"train": make_rows(500), "validation": later, "test": later})

    model = trainer.fit(as_trained(data, transformations), ONE).model

    assert model.transformations.fitted[0].categories == ("AA", "B6", "UA")
    assert np.isfinite(model.predict(data.split("test"))).all()


@every_trainer
def test_a_time_cannot_be_trained_on(trainer, transformations, tmp_path):
    view = make_view((Column("delay", "float"), Column("booked", "timestamp")))
    rows = make_rows(20).append_column("booked", make_rows(20)["at"])
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, rows), view)
    with pytest.raises(DefinitionError, match="Feature 'booked' is a timestamp"):
        trainer.fit(as_trained(data, transformations), ONE)


@pytest.mark.parametrize(
    ("trainer", "transformations", "said"),
    [
        pytest.param(TORCH, RAW, "A network cannot read missing values, which feature 'delay' may have", id="network"),
        pytest.param(LINEAR, NUMBERS, "cannot read the codes of categories that feature 'carrier' becomes", id="codes"),
        pytest.param(LINEAR, (Categorical(encode="one_hot"),), "cannot read missing values", id="linear"),
    ],
)
def test_what_a_trainer_cannot_read_is_said(trainer, transformations, said, data):
    with pytest.raises(DefinitionError, match=said):
        trainer.fit(as_trained(data, transformations), ONE)


@every_trainer
def test_rows_of_one_class_are_refused(trainer, transformations, tmp_path):
    rows = make_rows(200)
    one = rows.set_column(rows.column_names.index("late"), "late", pa.array([True] * 200))
    data = as_trained(write_dataset(tmp_path, {"train": one, "validation": rows, "test": rows}), transformations)
    with pytest.raises(TrainingDataError, match="have the label 1"):
        trainer.fit(data, ONE)


@every_trainer
def test_missing_texts_of_pandas_are_missing(trainer, transformations, data, once):
    model = once(trainer, transformations)[0].model
    rows = data.split("test").slice(0, 3).to_pandas()

    expected = model.predict(rows.assign(carrier=None))

    np.testing.assert_array_equal(model.predict(rows.assign(carrier=float("nan"))), expected)


@every_trainer
def test_a_constant_feature_that_changes_later_does_no_harm(trainer, transformations, tmp_path):
    rows = make_rows(1000)
    constant = rows.set_column(rows.column_names.index("delay"), "delay", pa.array([0.1] * 1000))
    data = as_trained(write_dataset(tmp_path, dict.fromkeys(SPLITS, constant)), transformations)
    model = trainer.fit(data, ONE).model

    changed = rows.set_column(rows.column_names.index("delay"), "delay", pa.array([0.2] * 1000))

    np.testing.assert_allclose(model.predict(changed), model.predict(constant), atol=0.05)


def test_names_that_xgboost_does_not_take_are_no_obstacle(tmp_path):
    rows = make_rows(500, carriers=("<30", "[0,5)", "a, b"))
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, rows))
    fitted = XGBOOST.fit(as_trained(data, (Categorical(encode="one_hot"),)), ONE)
    assert set(fitted.feature_importance) == set(data.feature_names)
    assert np.isfinite(fitted.model.contributions(rows)).all()
