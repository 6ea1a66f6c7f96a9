"""What a trainer is: a dataset in, a fitted model out."""

from __future__ import annotations

from typing import Protocol

from fti_assets.training.data import TrainingData
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.run import TrainingRun


class Trainer(Protocol):
    """Fits a model of one framework. A new one is any class with this method; see docs/your-own-trainer.md."""

    def fit(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        """Trains on the train split, watching the validation split; the test split is not read.

        Raises:
            DeviceError: `run.device` is not there; nothing was read.
            TrainingDataError: a row has no label.
        """
        ...
