"""How the models of the flights system are fitted. Runs in the training worker too, so it needs no Dagster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fti_assets.systems.flights import contracts
from fti_assets.training import (
    FittedModel,
    HistogramTrainer,
    LinearTrainer,
    TorchTrainer,
    TrainingData,
    TrainingRun,
    XGBoostTrainer,
    training_program,
)

if TYPE_CHECKING:
    import optuna

BASELINE = ("carrier", "destination", "departure_hour")


def trees(trial: optuna.Trial) -> XGBoostTrainer:
    """The space in which gradient-boosted trees are searched."""
    return XGBoostTrainer(
        rounds=1500,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        max_depth=trial.suggest_int("max_depth", 5, 11),
        min_child_weight=trial.suggest_float("min_child_weight", 10, 300, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1.0),
        colsample_bytree=trial.suggest_float("colsample_bytree", 0.2, 0.8),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 30, log=True),
    )


@training_program(contracts.FLIGHT_DELAY_MODEL, baseline=BASELINE, space=trees)
def flight_delay(data: TrainingData, run: TrainingRun) -> FittedModel:
    """Gradient-boosted trees, stopped early on the validation split."""
    trainer = XGBoostTrainer(learning_rate=0.05, max_depth=8, min_child_weight=50, colsample_bytree=0.5)
    return trainer.fit(data, run)


@training_program(contracts.FLIGHT_DELAY_NETWORK, baseline=BASELINE, framework="torch")
def flight_delay_network(data: TrainingData, run: TrainingRun) -> FittedModel:
    """A network with embeddings of categories, stopped early on the validation split."""
    return TorchTrainer().fit(data, run)


@training_program(contracts.FLIGHT_DELAY_HISTOGRAM, baseline=BASELINE, framework="sklearn")
def flight_delay_histogram(data: TrainingData, run: TrainingRun) -> FittedModel:
    """scikit-learn's gradient-boosted trees, stopped early on the validation split."""
    return HistogramTrainer().fit(data, run)


@training_program(contracts.FLIGHT_DELAY_LINEAR, baseline=BASELINE, framework="sklearn")
def flight_delay_linear(data: TrainingData, run: TrainingRun) -> FittedModel:
    """Logistic regression on scaled numbers and one-hot categories."""
    return LinearTrainer().fit(data, run)
