"""Monitoring: how predictions turned out once their outcomes are known."""

from fti_assets.monitoring.performance import daily_performance, predictions_with_outcomes

__all__ = ["daily_performance", "predictions_with_outcomes"]
