"""What is measured of a fitted model before it is registered, and the pictures of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fti_assets.training import figures
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation import (
    BaseRateTable,
    Comparison,
    Evaluation,
    Explanation,
    FairnessRow,
    SliceMetrics,
    Threshold,
    ThresholdRow,
    binary_metrics,
    choose_threshold,
    compare,
    cost_curve,
    evaluate,
    explain,
    fairness_table,
    kept_together,
    threshold_row,
    threshold_table,
    worst_slice,
)
from fti_assets.training.evaluation.thresholds import thinned_curve
from fti_assets.training.fitted_model import FittedModel
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import SPLITS, Costs, Model, SplitName


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured of a fitted model, on the test split where nothing else is said.

    Attributes:
        evaluations: by split; intervals and slices on the test split.
        threshold: chosen on the validation split.
        decided: what comes of it.
        thresholds: what comes of it and of others.
        fairness: a row for each group of each sensitive column.
        explanation: what the model looks at.
        worst: the slice of the lowest AUC, of those with enough rows.
        slice_rows: how many are enough.
        baseline: figures of a table of base rates; None where the program names no columns for one.
        gain: in AUC over that table.
    """

    evaluations: Mapping[SplitName, Evaluation]
    threshold: Threshold
    decided: ThresholdRow
    thresholds: tuple[ThresholdRow, ...]
    fairness: tuple[FairnessRow, ...]
    explanation: Explanation
    worst: SliceMetrics | None
    slice_rows: int
    baseline: Evaluation | None
    gain: Comparison | None

    @property
    def test(self) -> Evaluation:
        return self.evaluations["test"]


def measure(model: Model, fitted: FittedModel, data: TrainingData, *, baseline: Sequence[str] = (), seed: int = 0) -> Report:
    """Measures a fitted model on every split, and on the test split all that its contract asks for.

    Args:
        model: its contract: slices, sensitive columns, costs.
        fitted: what is measured.
        data: what it was fitted on.
        baseline: columns by whose base rates a simple table is made, to be compared with.
        seed: of intervals and of the rows that are explained.
    """
    evaluations = {split: _evaluate(model, fitted, data, split, seed) for split in SPLITS}
    test, validation = evaluations["test"], evaluations["validation"]
    threshold = choose_threshold(_label(validation), _score(validation), model.costs)
    plain = _baseline(data, baseline, test)
    sensitive = data.split("test", model.sensitive)
    return Report(
        evaluations=evaluations,
        threshold=threshold,
        decided=threshold_row(_label(test), _score(test), threshold.value, model.costs),
        thresholds=threshold_table(_label(test), _score(test), model.costs, threshold.value),
        fairness=fairness_table(sensitive, _score(test), _label(test), model.sensitive, threshold.value),
        explanation=explain(fitted.model, data, seed=seed),
        worst=worst_slice(test.slices, model.slice_rows),
        slice_rows=model.slice_rows,
        baseline=plain,
        gain=compare("auc", test, plain, replicates=200, seed=seed) if plain else None,
    )


def pictures(report: Report, fitted: FittedModel, costs: Costs | None) -> dict[str, bytes]:
    """PNG images by name."""
    label, score = _label(report.test), _score(report.test)
    baseline = report.baseline.score if report.baseline else None
    made = {
        "roc": figures.roc(label, score, baseline),
        "precision_recall": figures.precision_recall(label, score, baseline),
        "calibration": figures.calibration(label, score),
    }
    if costs is not None:
        made["cost"] = figures.cost(thinned_curve(cost_curve(label, score, costs)), report.decided, costs.unit)
    if any(not math.isnan(one.metrics["auc"]) for one in report.test.slices):
        made["slices"] = figures.slices(report.test.slices, report.test.metrics["auc"])
    made["explanation"] = figures.explanation(report.explanation)
    if fitted.feature_importance:
        made["feature_importance"] = figures.feature_importance(fitted.feature_importance)
    if fitted.learning_curve:
        made["learning_curve"] = figures.learning_curve(fitted.learning_curve, fitted.best_iteration)
    return made


def extra_metrics(report: Report) -> dict[str, float]:
    """What is logged beside the figures of each split: intervals, the worst slice, the threshold. What is not known is left out."""
    auc = report.test.interval("auc")
    found = {
        "auc_low_test": auc.low,
        "auc_high_test": auc.high,
        "worst_slice_auc_test": report.worst.metrics["auc"] if report.worst else math.nan,
        "baseline_auc_test": report.baseline.metrics["auc"] if report.baseline else math.nan,
        "threshold": report.threshold.value,
        "precision_test": report.decided.precision,
        "recall_test": report.decided.recall,
        "cost_test": math.nan if report.decided.cost is None else report.decided.cost,
    }
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _evaluate(model: Model, fitted: FittedModel, data: TrainingData, split: SplitName, seed: int) -> Evaluation:
    tested = split == "test"
    return evaluate(
        fitted.model,
        data,
        model.slices if tested else (),
        split=split,
        minimum_rows=model.smallest_slice,
        with_intervals=tested,
        together=kept_together(model.dataset),
        seed=seed,
    )


def _baseline(data: TrainingData, columns: Sequence[str], test: Evaluation) -> Evaluation | None:
    """The test split by a table of base rates."""
    if not columns:
        return None
    table = BaseRateTable(tuple(columns)).fit(data.split("train", columns), data.labels("train"))
    score = table.predict(data.split("test", columns))
    return Evaluation(metrics=binary_metrics(_label(test), score), label=test.label, score=score, groups=test.groups)


def _label(evaluation: Evaluation) -> FloatArray:
    assert evaluation.label is not None  # evaluate gives it
    return evaluation.label


def _score(evaluation: Evaluation) -> FloatArray:
    assert evaluation.score is not None  # evaluate gives it
    return evaluation.score
