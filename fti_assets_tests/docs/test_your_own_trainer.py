"""The guide to a trainer of one's own, followed as it is written."""

import re
from pathlib import Path

import numpy as np
import pytest

from fti_assets.predictive_models import read_model
from fti_assets.training import TrainingData, TrainingRun, binary_metrics
from fti_assets.vocabulary import Categorical, Numeric
from fti_assets_tests.training.examples import write_dataset

GUIDE = Path(__file__).parents[2] / "docs" / "your-own-trainer.md"


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    (code,) = re.findall(r"\*\*`bayes.py`\*\*\n\n```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    (tmp_path / "bayes.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    from bayes import BayesTrainer

    return BayesTrainer()


def test_the_trainer_of_the_guide_trains_and_its_model_is_read_again(trainer, tmp_path):
    raw, reported = write_dataset(tmp_path / "dataset"), []
    data = TrainingData(raw.folder, raw.view, (Numeric(impute="median", scale="standard"), Categorical(encode="one_hot")))

    fitted = trainer.fit(data, TrainingRun(threads=1, report=lambda step, figures: reported.append(figures["logloss"])))

    scores = fitted.model.predict(data.split("test"))
    assert binary_metrics(data.labels("test"), scores)["auc"] > 0.75
    assert len(reported) == 1
    file = fitted.model.save(tmp_path)
    again = read_model(file.name, file.read_bytes(), source=str(file))
    np.testing.assert_array_equal(again.predict(data.split("test")), scores)
