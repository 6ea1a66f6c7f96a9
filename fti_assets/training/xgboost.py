"""Gradient-boosted trees, stopped early on the validation split."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fti_assets.errors import FtiError
from fti_assets.model_registry import CategoryEncoding, XGBoostModel, feature_matrix, feature_types
from fti_assets.training.data import TrainingData
from fti_assets.training.fitted_model import FittedModel
from fti_assets.vocabulary import SplitName

Progress = Callable[[str], None]
_USE_CPU = "Use device='cpu', or run where there is one."


class DeviceError(FtiError):
    """The device asked for is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostTrainer:
    """Parameters of a training. The same data, parameters and number of threads give the same model, byte for byte.

    Attributes:
        rounds: most trees that are grown.
        early_stopping_rounds: how many rounds without a better `metrics[-1]` on the validation split end the training.
        metrics: XGBoost's metrics of the learning curve; each costs time in each round (`auc` sorts all the scores).
        nthread: number of threads; all cores when None.
        device: `cpu`, `cuda` or `cuda:N`.
    """

    rounds: int = 1000
    early_stopping_rounds: int = 30
    learning_rate: float = 0.1
    max_depth: int = 6
    min_child_weight: float = 20.0
    subsample: float = 0.8
    colsample_bytree: float = 0.7
    reg_lambda: float = 1.0
    max_bin: int = 256
    max_cat_to_onehot: int = 4
    scale_pos_weight: float = 1.0
    metrics: tuple[str, ...] = ("logloss",)
    seed: int = 0
    device: str = "cpu"
    nthread: int | None = None

    def fit(self, data: TrainingData, progress: Progress | None = None) -> FittedModel:
        """Trains on the train split; `progress` is told every 50 rounds where the training stands.

        Raises:
            DeviceError: `device` asks for CUDA and there is no GPU that XGBoost can use; nothing is read.
            DefinitionError: a feature is a timestamp or a date.
            TrainingDataError: a row has no label.
        """
        # Threads that wait give their core away: on a machine with other work, spinning ones cost five times the time.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import xgboost

        self._check_device(xgboost)
        feature_types(data.feature_columns)
        encoding, train = self._train_matrix(xgboost, data)
        validation = self._matrix(xgboost, data, "validation", encoding, ref=train)
        curve: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            self._booster_params(),
            train,
            num_boost_round=self.rounds,
            evals=[(train, "train"), (validation, "validation")],
            evals_result=curve,
            callbacks=self._callbacks(xgboost, progress),
            verbose_eval=False,
        )
        model = XGBoostModel(booster, data.feature_columns, encoding, data.label)
        return FittedModel(
            model=model,
            params=self.params,
            learning_curve={f"{metric}_{split}": tuple(values) for split, by in curve.items() for metric, values in by.items()},
            best_iteration=int(booster.attr("best_iteration")),
            feature_importance=_importance(booster, data.feature_names),
        )

    @property
    def params(self) -> Mapping[str, str | int | float | bool | None]:
        """The parameters as they are logged."""
        return {"trainer": "xgboost", **asdict(self), "metrics": ", ".join(self.metrics)}

    def _booster_params(self) -> dict[str, Any]:
        own = {"rounds", "early_stopping_rounds", "metrics", "nthread"}
        given = {name: value for name, value in asdict(self).items() if name not in own}
        threads = {} if self.nthread is None else {"nthread": self.nthread}
        return {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": list(self.metrics), **given, **threads}

    def _train_matrix(self, xgboost: Any, data: TrainingData) -> tuple[CategoryEncoding, Any]:
        rows = data.split("train", data.feature_names)
        encoding = CategoryEncoding.fit(rows, data.feature_columns)
        return encoding, self._quantized(xgboost, data, feature_matrix(rows, data.feature_columns, encoding), "train")

    def _matrix(self, xgboost: Any, data: TrainingData, split: SplitName, encoding: CategoryEncoding, ref: Any) -> Any:
        rows = feature_matrix(data.split(split, data.feature_names), data.feature_columns, encoding)
        return self._quantized(xgboost, data, rows, split, ref=ref)

    def _quantized(
        self, xgboost: Any, data: TrainingData, rows: npt.NDArray[np.float32], split: SplitName, ref: Any | None = None
    ) -> Any:
        return xgboost.QuantileDMatrix(
            rows,
            label=data.labels(split),
            feature_names=list(data.feature_names),
            feature_types=feature_types(data.feature_columns),
            max_bin=self.max_bin,
            nthread=self.nthread,
            ref=ref,
        )

    def _callbacks(self, xgboost: Any, progress: Progress | None) -> list[Any]:
        stopping = xgboost.callback.EarlyStopping(
            rounds=self.early_stopping_rounds, metric_name=self.metrics[-1], data_name="validation", save_best=True
        )
        return [stopping, *([_reporting(xgboost, progress)] if progress else [])]

    def _check_device(self, xgboost: Any) -> None:
        # XGBoost 3.2 would fall back to the CPU with a warning.
        if self.device == "cpu":
            return
        if not xgboost.build_info().get("USE_CUDA"):
            raise DeviceError(f"Device '{self.device}' is asked for, but this XGBoost is built without CUDA.", next_step=_USE_CPU)
        if not _gpus():
            raise DeviceError(f"Device '{self.device}' is asked for, but this machine shows no NVIDIA GPU.", next_step=_USE_CPU)


def _gpus() -> int:
    """How many NVIDIA GPUs the driver of this machine shows to this process."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    started = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if started else 0


def _importance(booster: Any, names: tuple[str, ...]) -> dict[str, float]:
    gain = booster.get_score(importance_type="total_gain")
    total = sum(gain.values()) or 1.0
    shares = {name: gain.get(name, 0.0) / total for name in names}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _reporting(xgboost: Any, progress: Progress, every: int = 50) -> Any:
    class Reporting(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:  # noqa: ARG002
            if epoch % every == 0:
                said = [f"{metric} {values[-1]:.4f}" for metric, values in evals_log["validation"].items()]
                progress(f"round {epoch}: validation {', '.join(said)}")
            return False

    return Reporting()
