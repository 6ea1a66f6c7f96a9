"""What needs a GPU. Where there is none these tests are skipped, never passed."""

import numpy as np
import pytest

from fti_assets.compute import gpus
from fti_assets.training import TorchTrainer, TrainingRun, XGBoostTrainer, binary_metrics
from fti_assets.vocabulary import Categorical, Numeric

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not gpus(), reason="this machine shows no NVIDIA GPU")]

NUMBERS = (Numeric(impute="median", indicator=True, scale="standard"), Categorical())
TRAINERS = [
    pytest.param(TorchTrainer(epochs=6, batch_rows=128, hidden=(32,), learning_rate=1e-2), NUMBERS, id="torch"),
    pytest.param(XGBoostTrainer(rounds=40, learning_rate=0.2), (), id="xgboost"),
]


@pytest.mark.parametrize(("trainer", "transformations"), TRAINERS)
def test_a_model_trained_on_a_card_predicts_on_the_cpu(trainer, transformations, data):
    made = type(data)(data.folder, data.view, transformations)

    on_card = trainer.fit(made, TrainingRun(device="cuda", threads=1)).model
    on_cpu = trainer.fit(made, TrainingRun(threads=1)).model

    rows, truth = data.split("test"), data.labels("test")
    scores = on_card.predict(rows)
    assert np.isfinite(scores).all()
    assert binary_metrics(truth, scores)["auc"] == pytest.approx(binary_metrics(truth, on_cpu.predict(rows))["auc"], abs=0.02)


def test_a_training_on_a_card_goes_on_after_a_break(data, tmp_path):
    made = type(data)(data.folder, data.view, NUMBERS)
    trainer = TorchTrainer(epochs=3, batch_rows=128, hidden=(32,))

    class Killed(BaseException):
        pass

    def progress(text):
        if text.startswith("epoch 1:"):
            raise Killed

    with pytest.raises(Killed):
        trainer.fit(made, TrainingRun(device="cuda", checkpoints=tmp_path, progress=progress))
    told = []

    resumed = trainer.fit(made, TrainingRun(device="cuda", checkpoints=tmp_path, progress=told.append))

    assert told[0].startswith("going on after epoch 1")
    assert len(resumed.learning_curve["logloss_validation"]) == 3
