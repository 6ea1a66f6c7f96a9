"""Monitoring: how predictions turned out once their outcomes are known."""

from fti_assets.monitoring.performance import daily_performance, predictions_with_outcomes
from fti_assets.monitoring.predicted import predicted_versions

__all__ = ["daily_performance", "predicted_versions", "predictions_with_outcomes"]
