"""Monitoring: how predictions turned out once their outcomes are known, what was asked online, and whether it was served right."""

from fti_assets.monitoring.inference_log import Landed, LandingBusyError, land
from fti_assets.monitoring.online_performance import logged_with_outcomes, performance_by_role, with_earlier_days
from fti_assets.monitoring.performance import daily_performance, predictions_with_outcomes
from fti_assets.monitoring.predicted import predicted_versions
from fti_assets.monitoring.skew import Example, FeatureSkew, Skew, measure_skew

__all__ = [
    "Example",
    "FeatureSkew",
    "Landed",
    "LandingBusyError",
    "Skew",
    "daily_performance",
    "land",
    "logged_with_outcomes",
    "measure_skew",
    "performance_by_role",
    "predicted_versions",
    "predictions_with_outcomes",
    "with_earlier_days",
]
