import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fti_assets.training import TorchTrainer, TrainingDataError, TrainingRun
from fti_assets.training.matrix import SplitMatrix
from fti_assets.training.trainers.torch_batches import shuffled
from fti_assets.vocabulary import Categorical, Numeric

TRAINER = TorchTrainer(epochs=5, patience=5, batch_rows=256, hidden=(16,), learning_rate=1e-2)
TRANSFORMATIONS = (Numeric(impute="median", indicator=True, scale="standard"), Categorical())


@pytest.fixture(scope="module")
def numbers(data):
    return type(data)(data.folder, data.view, TRANSFORMATIONS)


@pytest.fixture(scope="module")
def whole(numbers):
    """A training without a break."""
    return TRAINER.fit(numbers, TrainingRun(threads=1))


def weights(fitted, folder):
    folder.mkdir()
    return hashlib.sha256(fitted.model.save(folder).read_bytes()).hexdigest()


class Killed(BaseException):
    pass


def killed_after(epoch):
    def progress(text):
        if text.startswith(f"epoch {epoch}:"):
            raise Killed

    return progress


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_training_that_goes_on_ends_as_one_without_a_break(epoch, numbers, whole, tmp_path):
    kept = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=kept, progress=killed_after(epoch)))
    told = []

    resumed = TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=kept, progress=told.append))

    assert told[0].startswith(f"going on after epoch {epoch}")
    assert weights(resumed, tmp_path / "a") == weights(whole, tmp_path / "b")
    assert resumed.learning_curve == whole.learning_curve


def test_a_training_that_was_killed_goes_on(numbers, whole, tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from fti_assets.training import TrainingData, TrainingRun
from fti_assets_tests.training.examples import make_view
from fti_assets_tests.training.test_torch import TRAINER, TRANSFORMATIONS

def progress(text):
    if text.startswith("epoch 1:"):
        os.kill(os.getpid(), signal.SIGKILL)

data = TrainingData(Path({str(numbers.folder)!r}), make_view(), TRANSFORMATIONS)
TRAINER.fit(data, TrainingRun(threads=1, checkpoints=Path({str(tmp_path / "kept")!r}), progress=progress))
"""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, env=environment)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()

    resumed = TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=tmp_path / "kept"))

    assert weights(resumed, tmp_path / "a") == weights(whole, tmp_path / "b")


def test_checkpoints_of_another_training_are_not_gone_on_from(numbers, tmp_path):
    kept = tmp_path / "checkpoints"
    TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=kept))
    told = []

    other = TRAINER.fit(numbers, TrainingRun(threads=1, seed=7, checkpoints=kept, progress=told.append))

    assert "is of another training: starting anew" in told[0]
    assert len(other.learning_curve["logloss_validation"]) == 5


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda trainer, data: (replace(trainer, hidden=(8,)), data), id="trainer"),
        pytest.param(lambda trainer, data: (trainer, with_hash(data)), id="dataset"),
    ],
)
def test_what_another_training_left_does_not_hide_what_this_one_keeps(change, numbers, tmp_path):
    with pytest.raises(Killed):
        TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=tmp_path, progress=killed_after(3)))
    trainer, data = change(TRAINER, numbers)
    with pytest.raises(Killed):
        trainer.fit(data, TrainingRun(threads=1, checkpoints=tmp_path, progress=killed_after(1)))
    told = []

    trainer.fit(data, TrainingRun(threads=1, checkpoints=tmp_path, progress=told.append))

    assert told[0].startswith("going on after epoch 1")


def with_hash(data):
    other = type(data)(data.folder, data.view, data.transformations)
    other.manifest = {**data.manifest, "content_hash": "6f" * 32}
    return other


def test_the_loss_that_is_told_does_not_depend_on_the_weight_of_rows(numbers):
    reported = []
    run = TrainingRun(threads=1, report=lambda step, figures: reported.append(figures["logloss"]))
    fitted = replace(TRAINER, class_weight="balanced").fit(numbers, run)

    truth = numbers.labels("validation")
    score = fitted.model.predict(numbers.split("validation"))
    log_loss = -np.mean(np.where(truth == 1, np.log(score), np.log1p(-score)))
    assert reported[fitted.best_iteration] == pytest.approx(log_loss, abs=1e-5)


def test_a_loss_that_is_no_number_ends_the_training(numbers):
    with pytest.raises(TrainingDataError, match="loss is not a number after epoch"):
        replace(TRAINER, learning_rate=1e30).fit(numbers, TrainingRun(threads=1))


def test_a_category_that_was_never_seen_lies_at_zero(whole):
    assert not whole.model.network.embeddings[0].weight[0].any()


def test_only_the_newest_checkpoint_stays(numbers, tmp_path):
    TRAINER.fit(numbers, TrainingRun(threads=1, checkpoints=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-00005"]


def test_it_stops_early_and_takes_the_best_epoch(numbers):
    trainer = replace(TRAINER, epochs=40, patience=2, learning_rate=5e-2, hidden=(128, 128), dropout=0.0)
    fitted = trainer.fit(numbers, TrainingRun(threads=1))
    losses = fitted.learning_curve["logloss_validation"]
    assert len(losses) < 40
    assert len(losses) - 1 - fitted.best_iteration == 2
    score = fitted.model.predict(numbers.split("validation"))
    truth = numbers.labels("validation")
    log_loss = -np.mean(np.where(truth == 1, np.log(score), np.log1p(-score)))
    assert log_loss == pytest.approx(losses[fitted.best_iteration], abs=1e-5)


@pytest.mark.parametrize("buffer_rows", [40, 1000])
def test_every_row_is_drawn_once_in_an_epoch(buffer_rows):
    rows = SplitMatrix(np.arange(105, dtype=np.float32)[:, None], np.arange(105, dtype=np.float64))

    batches = list(shuffled(rows, 8, np.random.default_rng(0), block_rows=10, buffer_rows=buffer_rows))

    assert sorted(np.concatenate([labels for _, labels in batches])) == list(range(105))
    assert all((values[:, 0] == labels).all() for values, labels in batches)
    assert max(len(labels) for _, labels in batches) == 8
    again = np.concatenate([labels for _, labels in shuffled(rows, 8, np.random.default_rng(0), block_rows=10)])
    other = np.concatenate([labels for _, labels in shuffled(rows, 8, np.random.default_rng(1), block_rows=10)])
    assert (again != other).any()
