"""Pictures of what stands side by side: features and slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fti_assets.training.evaluation import Explanation, SliceMetrics
from fti_assets.training.figures.style import BLUE, GREY, ORANGE, as_png, new_figure, short
from fti_assets.transformations import FloatArray


def feature_importance(importance: Mapping[str, float], most: int = 15) -> bytes:
    """The share of the gain of the most important features, the largest at the top."""
    return _bars("Feature importance", "Share of total gain", importance, most)


def skew(shares: Mapping[str, float], most: int = 15) -> bytes:
    """The share of the values of each feature that were served otherwise than training sees them, the largest at the top."""
    return _bars("Served otherwise than in training", "Share of the requests", shares, most)


def explanation(found: Explanation, most: int = 12) -> bytes:
    """What a model looks at: a dot for each row and feature where there are SHAP values, else bars."""
    if found.contributions is None or found.values is None:
        return _bars("Permutation importance", "AUC lost when shuffled", found.importance, most)
    figure, axes = new_figure("Effects on the prediction", "SHAP value, log-odds", "")
    names = list(found.importance)[:most]
    for n in range(len(names)):
        _swarm(axes, len(names) - 1 - n, found.contributions[:, n], found.values[:, n])
    axes.axvline(0, color=GREY, linewidth=0.9)
    axes.set_yticks(range(len(names)), [short(name) for name in names[::-1]], fontsize=9)
    axes.grid(visible=False, axis="y")
    _legend(figure, axes)
    return as_png(figure)


def slices(found: Sequence[SliceMetrics], overall: float, most: int = 16) -> bytes:
    """The AUC of the lowest slices with its interval, the lowest at the top, beside the overall one."""
    known = sorted((one for one in found if not math.isnan(one.metrics["auc"])), key=lambda one: one.metrics["auc"])[:most]
    title = "AUC by slice" if len(known) == len(found) else f"AUC by slice, the lowest {len(known)} of {len(found)}"
    figure, axes = new_figure(title, "AUC, 95% interval", "")
    for place, one in enumerate(reversed(known)):
        if one.auc is not None and not math.isnan(one.auc.low):
            axes.plot([one.auc.low, one.auc.high], [place, place], color=BLUE, linewidth=1.6)
        axes.plot([one.metrics["auc"]], [place], color=BLUE, marker="o", markersize=4.5)
    if not math.isnan(overall):
        axes.axvline(overall, color=ORANGE, linestyle="--", linewidth=1.5, label=f"overall: {overall:.3f}")
        axes.legend(loc="lower left", fontsize=9)
    axes.set_yticks(range(len(known)), [short(str(one).replace(" = ", " "), 26) for one in reversed(known)], fontsize=8)
    axes.grid(visible=False, axis="y")
    return as_png(figure)


def _bars(title: str, across: str, importance: Mapping[str, float], most: int) -> bytes:
    known = [item for item in importance.items() if not math.isnan(item[1])]
    largest = sorted(known, key=lambda item: item[1], reverse=True)[:most][::-1]
    figure, axes = new_figure(title, across, "")
    axes.barh(range(len(largest)), [share for _, share in largest], color=BLUE, height=0.7)
    axes.set_yticks(range(len(largest)), [short(name) for name, _ in largest], fontsize=9)
    axes.grid(visible=False, axis="y")
    return as_png(figure)


def _swarm(axes: Any, place: int, effects: FloatArray, values: FloatArray) -> None:
    """The dots of one feature: side by side where many rows have about the same effect."""
    bins = np.round(effects / (np.ptp(effects) / 40 or 1.0)).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    starts = np.searchsorted(bins[order], bins[order], side="left")
    rank = np.arange(len(bins)) - starts
    aside = np.empty(len(bins))
    aside[order] = np.where(rank % 2, rank + 1, -rank) / 2
    aside *= 0.4 / max(np.abs(aside).max(), 8.0)
    known = ~np.isnan(values)
    axes.scatter(effects[~known], place + aside[~known], s=3, color=GREY, linewidths=0)
    low = known & (values < 0.5)
    axes.scatter(effects[low], place + aside[low], s=3, color=BLUE, linewidths=0)
    axes.scatter(effects[known & ~low], place + aside[known & ~low], s=3, color=ORANGE, linewidths=0)


def _legend(figure: Any, axes: Any) -> None:
    for colour, text in ((ORANGE, "high value"), (BLUE, "low value"), (GREY, "category or missing")):
        axes.scatter([], [], s=14, color=colour, label=text)
    figure.legend(loc="outside lower right", ncols=3, fontsize=8, handletextpad=0.1, columnspacing=1.0, frameon=False)
