"""Gradient-boosted trees, stopped early on the validation split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fti_assets.compute import DeviceError, check_device
from fti_assets.predictive_models import XGBoostModel
from fti_assets.predictive_models.xgboost import feature_names, feature_types
from fti_assets.training.data import TrainingData
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.matrix import SplitMatrix, matrices
from fti_assets.training.run import TrainingRun
from fti_assets.training.weights import ClassWeight, positive_weight
from fti_assets.transformations import FittedTransformations


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostTrainer:
    """Parameters of a training.

    Attributes:
        rounds: most trees that are grown.
        early_stopping_rounds: how many rounds without a better `metrics[-1]` on the validation split end the training.
        metrics: XGBoost's metrics of the learning curve; each costs time in each round (`auc` sorts all the scores).
        class_weight: weight of a positive row; `balanced` is the number of negative by that of positive ones.
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
    metrics: tuple[str, ...] = ("logloss",)
    class_weight: ClassWeight = 1.0

    def fit(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        """Trains on the train split; `run` is told every 50 rounds where the training stands, and figures after each.

        Raises:
            DeviceError: `run.device` asks for CUDA and there is no GPU that XGBoost can use; nothing is read.
            DefinitionError: a feature is a timestamp or a date.
            TrainingDataError: a row has no label.
        """
        # Threads that wait give their core away: on a machine with other work, spinning ones cost five times the time.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import xgboost

        _check_device(xgboost, run.device)
        curve: dict[str, dict[str, list[float]]] = {}
        with matrices(data, run) as made:
            train = self._quantized(xgboost, made.train, made.transformations, run)
            validation = self._quantized(xgboost, made.validation, made.transformations, run, ref=train)
            booster = xgboost.train(
                self._booster_params(run, positive_weight(self.class_weight, made.train.labels)),
                train,
                num_boost_round=self.rounds,
                evals=[(train, "train"), (validation, "validation")],
                evals_result=curve,
                callbacks=self._callbacks(xgboost, run),
                verbose_eval=False,
            )
        if run.device != "cpu":
            booster.set_param({"device": "cpu"})  # where rows lie that are predicted
        return FittedModel(
            model=XGBoostModel(booster, made.transformations, data.label),
            params=self.params,
            learning_curve={f"{metric}_{split}": tuple(values) for split, by in curve.items() for metric, values in by.items()},
            best_iteration=int(booster.attr("best_iteration")),
            feature_importance=_importance(booster, made.transformations),
        )

    @property
    def params(self) -> Mapping[str, str | int | float | bool | None]:
        """The parameters as they are logged."""
        return {"trainer": "xgboost", **asdict(self), "metrics": ", ".join(self.metrics)}

    def _booster_params(self, run: TrainingRun, positive: float) -> dict[str, Any]:
        own = {"rounds", "early_stopping_rounds", "metrics", "class_weight"}
        given = {name: value for name, value in asdict(self).items() if name not in own}
        threads = {} if run.threads is None else {"nthread": run.threads}
        place = {"device": run.device, "seed": run.seed, **threads}
        fixed = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": list(self.metrics)}
        return {**fixed, "scale_pos_weight": positive, **given, **place}

    def _quantized(
        self, xgboost: Any, rows: SplitMatrix, transformations: FittedTransformations, run: TrainingRun, ref: Any | None = None
    ) -> Any:
        batches = _batches(xgboost, rows, transformations)
        return xgboost.QuantileDMatrix(batches, max_bin=self.max_bin, nthread=run.threads, ref=ref)

    def _callbacks(self, xgboost: Any, run: TrainingRun) -> list[Any]:
        stopping = xgboost.callback.EarlyStopping(
            rounds=self.early_stopping_rounds, metric_name=self.metrics[-1], data_name="validation", save_best=True
        )
        return [stopping, _reporting(xgboost, run)]


def _check_device(xgboost: Any, device: str) -> None:
    # XGBoost 3.2 would fall back to the CPU with a warning.
    check_device(device)
    if device != "cpu" and not xgboost.build_info().get("USE_CUDA"):
        raise DeviceError(
            f"Device '{device}' is asked for, but this XGBoost is built without CUDA.",
            next_step="Install a build with CUDA, or train on device 'cpu'.",
        )


def _batches(xgboost: Any, rows: SplitMatrix, transformations: FittedTransformations) -> Any:
    """The rows as XGBoost pulls them: it goes through them several times and keeps only what it makes of them."""
    about = {
        "feature_names": feature_names(transformations.columns),
        "feature_types": feature_types(transformations.columns),
    }

    class Batches(xgboost.DataIter):
        def __init__(self) -> None:
            super().__init__()
            self._left: Iterator[Any] = rows.pieces()

        def reset(self) -> None:
            self._left = rows.pieces()

        def next(self, input_data: Any) -> bool:
            piece = next(self._left, None)
            if piece is not None:
                input_data(data=piece[0], label=piece[1], **about)
            return piece is not None

    return Batches()


def _importance(booster: Any, transformations: FittedTransformations) -> dict[str, float]:
    """The share of the total gain by feature; columns that come of one feature are added up."""
    gain = booster.get_score(importance_type="total_gain")
    total = sum(gain.values()) or 1.0
    names = feature_names(transformations.columns)
    shares = {
        feature.name: sum(gain.get(name, 0.0) for name in names[place]) / total
        for feature, place in zip(transformations.features, transformations.places, strict=True)
    }
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _reporting(xgboost: Any, run: TrainingRun, every: int = 50) -> Any:
    class Reporting(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:  # noqa: ARG002
            figures = {metric: float(values[-1]) for metric, values in evals_log["validation"].items()}
            if epoch % every == 0:
                run.progress(f"round {epoch}: validation {', '.join(f'{name} {value:.4f}' for name, value in figures.items())}")
            run.report(epoch, figures)
            return False

    return Reporting()
