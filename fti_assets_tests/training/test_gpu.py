"""What needs a GPU. Where there is none these tests are skipped, never passed."""

import warnings

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
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # XGBoost warns when rows and booster are on different devices
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


def test_a_captured_step_does_what_the_step_does():
    import torch

    from fti_assets.predictive_models.torch import NetworkShape, build_network
    from fti_assets.training.trainers.torch_steps import CapturedStep, Step, optimizer, set_learning_rate

    shape = NetworkShape(numbers=(0, 1, 2), categories=((3, 5),), embedding=(4,), hidden=(32, 16), dropout=0.0)
    draw = np.random.default_rng(0)
    sizes = [64] * 6 + [40] + [64] * 6
    batches = [np.column_stack([draw.normal(size=(n, 3)), draw.integers(0, 5, n)]).astype(np.float32) for n in sizes]

    def losses(wrap):
        torch.manual_seed(0)
        network = build_network(shape).cuda()
        updates = optimizer(network, learning_rate=1e-2, weight_decay=1e-4, device="cuda")
        step = wrap(Step(network, updates, torch.ones((), device="cuda")))
        found = []
        for number, batch in enumerate(batches):
            set_learning_rate(updates, 1e-2 / (1 + number))
            truth = torch.from_numpy((batch[:, 0] > 0).astype(np.float32)).cuda()
            found.append(float(step(torch.from_numpy(batch).cuda(), truth)))
        return found

    captured = losses(lambda step: CapturedStep(step, 64))

    assert captured == pytest.approx(losses(lambda step: step), rel=1e-3)
    assert captured[-1] < captured[0]
