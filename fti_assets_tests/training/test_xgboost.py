import numpy as np
import pyarrow as pa
import pytest

from fti_assets.training import TrainingRun, XGBoostTrainer, binary_metrics
from fti_assets.training.matrix import matrices
from fti_assets.vocabulary import SPLITS, Categorical

from .examples import make_rows, write_dataset

ONE = TrainingRun(threads=1)


def test_importance_names_the_features(fitted, data):
    assert next(iter(fitted.feature_importance)) == "delay"
    assert sum(fitted.feature_importance.values()) == pytest.approx(1)
    assert set(fitted.feature_importance) == set(data.feature_names)


def test_columns_of_one_feature_share_its_importance(data):
    made = type(data)(data.folder, data.view, (Categorical(encode="one_hot"),))
    fitted = XGBoostTrainer(rounds=30).fit(made, ONE)
    assert set(fitted.feature_importance) == set(data.feature_names)
    assert sum(fitted.feature_importance.values()) == pytest.approx(1)
    assert fitted.feature_importance["carrier"] > 0


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


def test_batches_give_what_the_whole_matrix_gives(data):
    import xgboost

    trainer = XGBoostTrainer(rounds=20, early_stopping_rounds=20)
    fitted = trainer.fit(data, ONE)
    with matrices(data, ONE) as made:
        kinds = ["c" if column.categories else "q" for column in made.transformations.columns]
        whole = xgboost.QuantileDMatrix(np.array(made.train.values), label=made.train.labels, feature_types=kinds, nthread=1)
        params = trainer._booster_params(ONE, 1.0)
        booster = xgboost.train(params, whole, num_boost_round=fitted.best_iteration + 1)
        rows = np.array(made.train.values)
    expected = booster.inplace_predict(rows)
    np.testing.assert_allclose(fitted.model.predict(data.split("train")), expected, atol=1e-6)


def test_parameters_are_those_of_the_trainer(fitted):
    assert fitted.params["trainer"] == "xgboost"
    assert (fitted.params["rounds"], fitted.params["metrics"]) == (200, "auc, logloss")


def test_progress_and_figures_are_told(data):
    told, reported = [], []
    run = TrainingRun(threads=1, progress=told.append, report=lambda step, figures: reported.append((step, figures)))
    fitted = XGBoostTrainer(rounds=60, early_stopping_rounds=60).fit(data, run)
    assert [line.split(":")[0] for line in told] == ["round 0", "round 50"]
    assert "validation logloss 0." in told[0]
    assert [figures["logloss"] for _, figures in reported] == list(fitted.learning_curve["logloss_validation"])
    assert [step for step, _ in reported] == list(range(60))


def test_a_feature_that_is_never_there_is_no_obstacle(tmp_path):
    rows = make_rows(200).set_column(2, "carrier", pa.nulls(200, pa.string()))
    data = write_dataset(tmp_path, dict.fromkeys(SPLITS, rows))
    assert XGBoostTrainer(rounds=30).fit(data, ONE).feature_importance["carrier"] == 0
