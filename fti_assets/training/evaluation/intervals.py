"""How sure a figure is: intervals by the bootstrap, which draws groups of rows with replacement and measures again.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; for groups: Davison and Hinkley, Bootstrap Methods and Their
Application, 1997, section 3.8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fti_assets.errors import not_found
from fti_assets.training.evaluation.groups import Groups
from fti_assets.training.evaluation.metrics import calibration_bins, log_losses
from fti_assets.training.evaluation.ranking import Ranking, area, average_precision
from fti_assets.transformations import FloatArray
from fti_assets.vocabulary import METRICS

_RANKED = {"auc": area, "average_precision": average_precision}


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it may lie; `low` and `high` are NaN where that cannot be told."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "NaN"
        return f"{self.value:.4f}" if math.isnan(self.low) else f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def intervals(
    figures: Mapping[str, float],
    label: FloatArray,
    score: FloatArray,
    groups: Groups,
    metrics: Sequence[str] = METRICS,
    *,
    confidence: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, Interval]:
    """The interval of each of `metrics`; `figures` holds their values on the rows as they are.

    The same arguments give the same intervals.

    Raises:
        NotFoundError: a metric is not one of `METRICS`.
    """
    drawn = replicated(label, score, groups, metrics, replicates=replicates, seed=seed)
    return {name: _within(interval(figures[name], drawn[name], groups.count, confidence), name) for name in metrics}


def replicated(
    label: FloatArray, score: FloatArray, groups: Groups, metrics: Sequence[str], *, replicates: int, seed: int
) -> dict[str, FloatArray]:
    """Each metric on each of `replicates` samples of the groups; NaN where a sample lacks a class.

    The seed, the number of groups and the number of replicates decide which groups a sample holds, and nothing else does: two
    models are measured on the same samples.
    """
    for name in metrics:
        if name not in METRICS:
            raise not_found("Metric", name, METRICS, where="what can be resampled")
    if not groups.count:
        return {name: np.full(replicates, np.nan) for name in metrics}
    sample = _Sample(label, score, groups, metrics)
    rows = [sample.measure(drawn) for drawn in _draws(groups.count, replicates, seed)]
    return {name: np.array([row[n] for row in rows], dtype=np.float64) for n, name in enumerate(metrics)}


def interval(value: float, drawn: FloatArray, groups: int, confidence: float) -> Interval:
    """The interval of `value` by the spread of its replicates about their mean.

    About their mean, since some figures (the calibration error) are larger in every sample drawn from a sample. Wider by
    sqrt(n / (n - 1)), since a sample of n groups drawn from n varies that much too little.
    """
    known = drawn[np.isfinite(drawn)]
    if math.isnan(value) or groups < 2 or 2 * len(known) < len(drawn) or not len(known):
        return Interval(value, math.nan, math.nan)
    spread = centred(known, groups)
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, value + float(low), value + float(high))


def centred(drawn: FloatArray, groups: int) -> FloatArray:
    """The deviations of replicates from their mean, as wide as those of samples would be."""
    deviations: FloatArray = (drawn - drawn.mean()) * math.sqrt(groups / (groups - 1))
    return deviations


def _within(found: Interval, metric: str) -> Interval:
    """The interval without values that no sample could have."""
    highest = math.inf if metric == "log_loss" else 1.0
    return Interval(found.value, max(found.low, 0.0), min(found.high, highest))


def _draws(count: int, replicates: int, seed: int) -> Iterator[FloatArray]:
    """How often each group is drawn in each sample."""
    random = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(random.integers(0, count, count), minlength=count).astype(np.float64)


class _Sample:
    """Labels and scores, prepared so that a sample of their groups is measured in one pass."""

    def __init__(self, label: FloatArray, score: FloatArray, groups: Groups, metrics: Sequence[str]) -> None:
        self.metrics = tuple(metrics)
        self.ranking = Ranking.of(label, score) if any(name in _RANKED for name in metrics) else None
        self.group = groups.codes[self.ranking.order] if self.ranking else None
        self.sums = _sums(label, score, groups) if any(name not in _RANKED for name in metrics) else None

    def measure(self, drawn: FloatArray) -> list[float]:
        """The metrics of a sample in which each group stands as often as `drawn` says."""
        found: dict[str, float] = {}
        if self.ranking is not None and self.group is not None:
            counted = self.ranking.cumulative(drawn[self.group])
            found |= {name: _RANKED[name](*counted) for name in self.metrics if name in _RANKED}
        if self.sums is not None:
            rows, log_loss, brier, *distances = np.einsum("i,ij->j", drawn, self.sums)
            found |= {"log_loss": log_loss / rows, "brier": brier / rows, "calibration_error": np.abs(distances).sum() / rows}
        return [float(found[name]) for name in self.metrics]


def _sums(label: FloatArray, score: FloatArray, groups: Groups) -> FloatArray:
    """For each group its rows, log loss, squared error, and by bin of calibration the sum of score minus label."""
    bins = calibration_bins(score)
    width = int(bins.max()) + 1 if len(bins) else 0
    by_bin = np.bincount(groups.codes * width + bins, weights=score - label, minlength=groups.count * width)
    losses = (np.ones(len(score)), log_losses(label, score), (score - label) ** 2)
    plain = [np.bincount(groups.codes, weights=one, minlength=groups.count) for one in losses]
    return np.column_stack([*plain, by_bin.reshape(groups.count, width)])
