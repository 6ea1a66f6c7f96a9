"""Trainers of several frameworks behind one interface. Importing it imports no framework."""

from fti_assets.training.trainers.histogram import HistogramTrainer
from fti_assets.training.trainers.linear import LinearTrainer
from fti_assets.training.trainers.torch import TorchTrainer
from fti_assets.training.trainers.trainer import Trainer
from fti_assets.training.trainers.xgboost import XGBoostTrainer

__all__ = ["HistogramTrainer", "LinearTrainer", "TorchTrainer", "Trainer", "XGBoostTrainer"]
