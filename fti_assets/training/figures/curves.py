"""Pictures of curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from fti_assets.training.evaluation import (
    CostCurve,
    ThresholdRow,
    binary_metrics,
    calibration_table,
    precision_recall_points,
    roc_points,
)
from fti_assets.training.figures.style import BLUE, GREEN, GREY, LINES, ORANGE, as_png, new_figure


def roc(label: npt.ArrayLike, score: npt.ArrayLike, baseline: npt.ArrayLike | None = None) -> bytes:
    """The ROC curve and its area; with `baseline` (scores of a simpler model) a second one."""
    figure, axes = new_figure("ROC curve", "False positive rate", "True positive rate")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2, label="chance")
    if baseline is not None:
        axes.plot(*roc_points(label, baseline), color=ORANGE, linestyle="--", label=f"base rates: {_auc(label, baseline)}")
    axes.plot(*roc_points(label, score), color=BLUE, linewidth=2, label=f"model: {_auc(label, score)}")
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="lower right")
    return as_png(figure)


def precision_recall(label: npt.ArrayLike, score: npt.ArrayLike, baseline: npt.ArrayLike | None = None) -> bytes:
    """Precision by recall, with the average precision; with `baseline` (scores of a simpler model) a second curve."""
    figure, axes = new_figure("Precision and recall", "Recall", "Precision")
    figures = binary_metrics(label, score)
    base = figures["base_rate"]
    if not math.isnan(base):
        axes.axhline(base, color=GREY, linestyle=":", linewidth=1.2, label=f"chance: {base:.3f}")
    if baseline is not None:
        average = binary_metrics(label, baseline)["average_precision"]
        axes.plot(*precision_recall_points(label, baseline), color=ORANGE, linestyle="--", label=f"base rates: AP {average:.3f}")
    axes.plot(
        *precision_recall_points(label, score), color=BLUE, linewidth=2, label=f"model: AP {figures['average_precision']:.3f}"
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper right")
    return as_png(figure)


def calibration(label: npt.ArrayLike, score: npt.ArrayLike) -> bytes:
    """Predicted against observed share in ten groups of equal size."""
    figure, axes = new_figure("Calibration", "Mean prediction", "Observed share")
    table = calibration_table(label, score)
    predicted, observed = [one.mean_prediction for one in table], [one.observed_rate for one in table]
    top = min(1.0, 1.08 * max([*predicted, *observed, 0.05]))
    axes.plot([0, top], [0, top], color=GREY, linestyle=":", linewidth=1.2, label="perfect")
    axes.plot(predicted, observed, color=BLUE, marker="o", linewidth=2, label="model, by tenth of the rows")
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.legend(loc="upper left")
    return as_png(figure)


def cost(curve: CostCurve, chosen: ThresholdRow, unit: str) -> bytes:
    """The cost for each row by threshold, beside that of taking every row, or none, for positive."""
    figure, axes = new_figure("Cost by threshold", "Threshold", f"{unit} for each row")
    none, every, paid = float(curve.cost[0]), float(curve.cost[-1]), chosen.cost or 0.0
    axes.plot(curve.thresholds, curve.cost, color=BLUE, linewidth=2, label="model")
    axes.axhline(none, color=GREY, linestyle=":", linewidth=1.3, label=f"none positive: {none:.3g}")
    axes.axhline(every, color=GREEN, linestyle="-.", linewidth=1.3, label=f"all positive: {every:.3g}")
    axes.plot([chosen.threshold], [paid], color=ORANGE, marker="o", linestyle="none", label=f"chosen: {paid:.3g}")
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", fontsize=9)
    return as_png(figure)


def learning_curve(curve: Mapping[str, Sequence[float]], best_iteration: int | None = None) -> bytes:
    """One line for each metric and split, by round; a vertical line where the model was taken."""
    figure, axes = new_figure(
        "Learning curve", "Boosting round", ", ".join(dict.fromkeys(name.rsplit("_", 1)[0] for name in curve))
    )
    for n, (name, values) in enumerate(curve.items()):
        colour, line = LINES[n % len(LINES)]
        axes.plot(range(len(values)), values, color=colour, linestyle=line, linewidth=2, label=name.replace("_", " "))
    if best_iteration is not None:
        axes.axvline(best_iteration, color=GREY, linestyle=":", linewidth=1.5, label=f"taken: round {best_iteration}")
    axes.legend()
    return as_png(figure)


def daily_quality(days: Sequence[date], auc: Sequence[float], reference: float | None = None, *, measure: str = "AUC") -> bytes:
    """A figure by day, with gaps where it is NaN; `reference` is what it was when the model was validated."""
    years = "–".join(dict.fromkeys(str(day.year) for day in (min(days), max(days)))) if days else ""
    figure, axes = new_figure(f"{measure} by day", f"Day, {years}", measure)
    axes.plot(list(days), list(auc), color=BLUE, marker="o", markersize=3.5, linewidth=1.3, label="each day")
    if reference is not None and not math.isnan(reference):
        axes.axhline(reference, color=ORANGE, linestyle="--", linewidth=1.8, label=f"at validation: {reference:.3f}")
    shown = sorted({days[n] for n in np.linspace(0, len(days) - 1, 6).round().astype(int)}) if days else []
    axes.set_xticks(shown, [f"{day.day} {day:%b}" for day in shown])
    axes.legend(loc="best")
    return as_png(figure)


def _auc(label: npt.ArrayLike, score: npt.ArrayLike) -> str:
    return f"AUC {binary_metrics(label, score)['auc']:.3f}"
