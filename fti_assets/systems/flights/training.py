"""Training pipeline of the flights system: a training dataset in, a challenger out, a champion where it passes its gates."""

from __future__ import annotations

from fti_assets.pipelines import (
    hyperparameter_search,
    model_backtest,
    model_validation,
    training_dataset,
    training_pipeline,
)
from fti_assets.systems.flights import contracts, models

flight_delay_dataset = training_dataset(contracts.FLIGHT_DELAY_DATASET)
flight_delay = training_pipeline(models.flight_delay)
flight_delay_validation = model_validation(contracts.FLIGHT_DELAY_MODEL)

flight_delay_search = hyperparameter_search(models.flight_delay, job="flights_search")
flight_delay_backtest = model_backtest(
    models.flight_delay,
    cutoffs=("2013-06-01", "2013-07-01", "2013-08-01", "2013-09-01", "2013-10-01", "2013-11-01", "2013-12-01", "2014-01-01"),
    job="flights_backtest",
)

CANDIDATES = "flights_candidates"
flight_delay_network = training_pipeline(models.flight_delay_network, job=CANDIDATES)
flight_delay_histogram = training_pipeline(models.flight_delay_histogram, job=CANDIDATES)
flight_delay_linear = training_pipeline(models.flight_delay_linear, job=CANDIDATES)
