"""How good a model is, how sure that is, what it costs, whom it treats how, what it looks at, and whether it may be promoted."""

from fti_assets.training.evaluation.baseline import BaseRateTable
from fti_assets.training.evaluation.comparison import Comparison, compare
from fti_assets.training.evaluation.evaluation import Evaluation, evaluate
from fti_assets.training.evaluation.explanation import Effect, Explanation, NotExplainableError, explain, explain_rows
from fti_assets.training.evaluation.fairness import FairnessRow, fairness_table
from fti_assets.training.evaluation.gates import GateResult, Verdict, judge
from fti_assets.training.evaluation.groups import Groups, kept_together, row_groups
from fti_assets.training.evaluation.intervals import Interval, intervals
from fti_assets.training.evaluation.metrics import (
    CalibrationBin,
    ScoresError,
    binary_metrics,
    calibration_table,
    precision_recall_points,
    roc_points,
)
from fti_assets.training.evaluation.slices import SliceMetrics, slice_metrics, slices_data, slices_table, worst_slice
from fti_assets.training.evaluation.thresholds import (
    CostCurve,
    Threshold,
    ThresholdRow,
    choose_threshold,
    cost_curve,
    threshold_row,
    threshold_table,
)
from fti_assets.vocabulary import METRICS

__all__ = [
    "METRICS",
    "BaseRateTable",
    "CalibrationBin",
    "Comparison",
    "CostCurve",
    "Effect",
    "Evaluation",
    "Explanation",
    "FairnessRow",
    "GateResult",
    "Groups",
    "Interval",
    "NotExplainableError",
    "ScoresError",
    "SliceMetrics",
    "Threshold",
    "ThresholdRow",
    "Verdict",
    "binary_metrics",
    "calibration_table",
    "choose_threshold",
    "compare",
    "cost_curve",
    "evaluate",
    "explain",
    "explain_rows",
    "fairness_table",
    "intervals",
    "judge",
    "kept_together",
    "precision_recall_points",
    "roc_points",
    "row_groups",
    "slice_metrics",
    "slices_data",
    "slices_table",
    "threshold_row",
    "threshold_table",
    "worst_slice",
]
