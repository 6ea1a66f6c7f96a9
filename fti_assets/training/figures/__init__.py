"""Small pictures for the UIs, as PNG bytes."""

from fti_assets.training.figures.curves import calibration, cost, daily_quality, learning_curve, precision_recall, roc
from fti_assets.training.figures.features import explanation, feature_importance, skew, slices
from fti_assets.training.figures.studies import over_cutoffs, search_progress

__all__ = [
    "calibration",
    "cost",
    "daily_quality",
    "explanation",
    "feature_importance",
    "learning_curve",
    "over_cutoffs",
    "precision_recall",
    "roc",
    "search_progress",
    "skew",
    "slices",
]
