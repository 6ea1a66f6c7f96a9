"""The figures that say how good a binary classifier is: those that gates may ask for."""

METRICS = ("auc", "average_precision", "log_loss", "brier", "calibration_error")

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error"})
