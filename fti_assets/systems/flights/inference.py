"""Batch inference of the flights system, and how its predictions turned out."""

from __future__ import annotations

from fti_assets.pipelines import batch_inference, performance_monitoring
from fti_assets.systems.flights import contracts

flight_delay_predictions = batch_inference(contracts.FLIGHT_DELAY_PREDICTIONS)
flight_delay_monitoring = performance_monitoring(contracts.FLIGHT_DELAY_MONITOR)
