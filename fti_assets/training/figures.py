"""Small pictures for the UIs, as PNG bytes. Colours by Okabe and Ito, which colour-blind readers tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from fti_assets.training.metrics import binary_metrics, calibration_table, roc_points

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))


def roc(label: npt.ArrayLike, score: npt.ArrayLike, baseline: npt.ArrayLike | None = None) -> bytes:
    """The ROC curve and its area; with `baseline` (scores of a simpler model) a second one."""
    figure, axes = _figure("ROC curve", "False positive rate", "True positive rate")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2, label="chance")
    if baseline is not None:
        axes.plot(*roc_points(label, baseline), color=ORANGE, linestyle="--", label=f"base rates: {_auc(label, baseline)}")
    axes.plot(*roc_points(label, score), color=BLUE, linewidth=2, label=f"model: {_auc(label, score)}")
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    axes.legend(loc="lower right")
    return _png(figure)


def calibration(label: npt.ArrayLike, score: npt.ArrayLike) -> bytes:
    """Predicted against observed share in ten groups of equal size."""
    figure, axes = _figure("Calibration", "Mean prediction", "Observed share")
    table = calibration_table(label, score)
    predicted, observed = [one.mean_prediction for one in table], [one.observed_rate for one in table]
    top = min(1.0, 1.08 * max([*predicted, *observed, 0.05]))
    axes.plot([0, top], [0, top], color=GREY, linestyle=":", linewidth=1.2, label="perfect")
    axes.plot(predicted, observed, color=BLUE, marker="o", linewidth=2, label="model, by tenth of the rows")
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.legend(loc="upper left")
    return _png(figure)


def feature_importance(importance: Mapping[str, float], most: int = 15) -> bytes:
    """The share of the gain of the most important features, the largest at the top."""
    largest = sorted(importance.items(), key=lambda item: item[1], reverse=True)[:most][::-1]
    figure, axes = _figure("Feature importance", "Share of total gain", "")
    axes.barh([name for name, _ in largest], [share for _, share in largest], color=BLUE, height=0.7)
    axes.tick_params(axis="y", labelsize=9)
    axes.grid(visible=False, axis="y")
    return _png(figure)


def learning_curve(curve: Mapping[str, Sequence[float]], best_iteration: int | None = None) -> bytes:
    """One line for each metric and split, by round; a vertical line where the model was taken."""
    figure, axes = _figure("Learning curve", "Boosting round", ", ".join(dict.fromkeys(name.rsplit("_", 1)[0] for name in curve)))
    for n, (name, values) in enumerate(curve.items()):
        colour, line = _LINES[n % len(_LINES)]
        axes.plot(range(len(values)), values, color=colour, linestyle=line, linewidth=2, label=name.replace("_", " "))
    if best_iteration is not None:
        axes.axvline(best_iteration, color=GREY, linestyle=":", linewidth=1.5, label=f"taken: round {best_iteration}")
    axes.legend()
    return _png(figure)


def daily_quality(days: Sequence[date], auc: Sequence[float], reference: float | None = None, *, measure: str = "AUC") -> bytes:
    """A figure by day, with gaps where it is NaN; `reference` is what it was when the model was validated."""
    years = "–".join(dict.fromkeys(str(day.year) for day in (min(days), max(days)))) if days else ""
    figure, axes = _figure(f"{measure} by day", f"Day, {years}", measure)
    axes.plot(list(days), list(auc), color=BLUE, marker="o", markersize=3.5, linewidth=1.3, label="each day")
    if reference is not None and not math.isnan(reference):
        axes.axhline(reference, color=ORANGE, linestyle="--", linewidth=1.8, label=f"at validation: {reference:.3f}")
    shown = sorted({days[n] for n in np.linspace(0, len(days) - 1, 6).round().astype(int)}) if days else []
    axes.set_xticks(shown, [f"{day.day} {day:%b}" for day in shown])
    axes.legend(loc="best")
    return _png(figure)


def _auc(label: npt.ArrayLike, score: npt.ArrayLike) -> str:
    return f"AUC {binary_metrics(label, score)['auc']:.3f}"


def _figure(title: str, across: str, up: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 3.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(across, fontsize=11)
    axes.set_ylabel(up, fontsize=11)
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    content = BytesIO()
    # A palette of 64 colours makes a third of the size; without a date, the same figures give the same bytes.
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(64).save(content, format="PNG", optimize=True)
    return content.getvalue()
