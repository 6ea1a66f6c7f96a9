"""Training: a dataset in, a fitted model with its figures out, and the judgement on it. Importing it imports no framework."""

from fti_assets.training.baseline import BaseRateTable
from fti_assets.training.data import TrainingData, TrainingDataError
from fti_assets.training.evaluation import Evaluation, evaluate
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.gates import GateResult, Verdict, judge
from fti_assets.training.metrics import CalibrationBin, ScoresError, binary_metrics, calibration_table, roc_points
from fti_assets.training.slices import SliceMetrics, slice_metrics, slices_table
from fti_assets.training.xgboost import DeviceError, XGBoostTrainer

__all__ = [
    "BaseRateTable",
    "CalibrationBin",
    "DeviceError",
    "Evaluation",
    "FittedModel",
    "GateResult",
    "ScoresError",
    "SliceMetrics",
    "TrainingData",
    "TrainingDataError",
    "Verdict",
    "XGBoostTrainer",
    "binary_metrics",
    "calibration_table",
    "evaluate",
    "judge",
    "roc_points",
    "slice_metrics",
    "slices_table",
]
