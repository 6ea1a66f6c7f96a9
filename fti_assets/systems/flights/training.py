"""Training pipeline of the flights system: a training dataset in, a challenger out, a champion where it passes its gates."""

from __future__ import annotations

from fti_assets.pipelines import Progress, model_validation, training_dataset, training_pipeline
from fti_assets.systems.flights import contracts
from fti_assets.training import FittedModel, TrainingData, XGBoostTrainer

flight_delay_dataset = training_dataset(contracts.FLIGHT_DELAY_DATASET)


@training_pipeline(contracts.FLIGHT_DELAY_MODEL, baseline=("carrier", "destination", "departure_hour"))
def flight_delay(data: TrainingData, progress: Progress) -> FittedModel:
    """Gradient-boosted trees, stopped early on the validation split."""
    trainer = XGBoostTrainer(learning_rate=0.05, max_depth=8, min_child_weight=50, colsample_bytree=0.5)
    return trainer.fit(data, progress)


flight_delay_validation = model_validation(contracts.FLIGHT_DELAY_MODEL)
