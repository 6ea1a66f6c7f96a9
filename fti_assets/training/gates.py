"""Decides whether a challenger is promoted: a pure function of its figures, the champion's and the model's gates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fti_assets.training.evaluation import Evaluation
from fti_assets.training.metrics import LOWER_IS_BETTER
from fti_assets.training.slices import SliceMetrics
from fti_assets.vocabulary import Gate


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says.

    Attributes:
        sentence: each of its conditions in words, those that failed first.
        observed: the figure of the condition that failed, or else the overall figure.
        required: the bound that `observed` was held against; None where the gate only compared with nobody.
    """

    gate: Gate
    passed: bool
    sentence: str
    observed: float
    required: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all the gates say together: the challenger is promoted when every one of them passed."""

    results: tuple[GateResult, ...]

    @property
    def promoted(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def failed(self) -> tuple[GateResult, ...]:
        return tuple(result for result in self.results if not result.passed)

    @property
    def reason(self) -> str:
        """Why, in plain words."""
        if not self.results:
            return "Promoted: the model has no gates."
        shown = self.results if self.promoted else self.failed
        return f"{'Promoted' if self.promoted else 'Not promoted'}: {' '.join(result.sentence for result in shown)}"


@dataclass(frozen=True, slots=True)
class _Condition:
    passed: bool
    sentence: str
    observed: float
    required: float | None


def judge(gates: tuple[Gate, ...], challenger: Evaluation, champion: Evaluation | None) -> Verdict:
    """Holds the challenger against each gate, and against the champion on the same rows where there is one.

    Raises:
        NotFoundError: a gate names a metric that was not measured.
    """
    return Verdict(tuple(_judge(gate, challenger, champion) for gate in gates))


def _judge(gate: Gate, challenger: Evaluation, champion: Evaluation | None) -> GateResult:
    observed = challenger.metric(gate.metric)
    conditions = sorted(_conditions(gate, challenger, champion), key=lambda condition: condition.passed)
    if not conditions:
        return GateResult(gate, True, f"{gate.metric} is {_shown(observed)}; the gate asks for nothing.", observed, None)
    deciding = conditions[0]
    failed = [condition.sentence for condition in conditions if not condition.passed]
    sentence = " ".join(failed or [condition.sentence for condition in conditions])
    return GateResult(gate, deciding.passed, sentence, deciding.observed, deciding.required)


def _conditions(gate: Gate, challenger: Evaluation, champion: Evaluation | None) -> Iterator[_Condition]:
    observed = challenger.metric(gate.metric)
    if gate.minimum is not None:
        yield _bounded(gate.metric, observed, gate.minimum, lowest=True)
    if gate.maximum is not None:
        yield _bounded(gate.metric, observed, gate.maximum, lowest=False)
    if gate.champion_margin is not None:
        yield _compared(gate.metric, observed, gate.champion_margin, champion)
    if gate.slice_minimum is not None:
        yield _sliced(gate, gate.slice_minimum, challenger.slices)


def _bounded(what: str, observed: float, bound: float, *, lowest: bool) -> _Condition:
    if math.isnan(observed):
        return _Condition(False, f"{what} cannot be computed: the labels are all equal, or there are no rows.", observed, bound)
    passed = observed >= bound if lowest else observed <= bound
    if passed:
        sentence = f"{what} {_shown(observed)} is at {'least' if lowest else 'most'} {bound:g}."
    else:
        side = "below the minimum" if lowest else "above the maximum"
        sentence = f"{what} {_shown(observed)} is {side} {bound:g} by {abs(bound - observed):.4f}."
    return _Condition(passed, sentence, observed, bound)


def _compared(metric: str, observed: float, margin: float, champion: Evaluation | None) -> _Condition:
    if champion is None:
        return _Condition(True, f"{metric} {_shown(observed)} has no champion to be compared with.", observed, None)
    before = champion.metric(metric)
    if math.isnan(observed) or math.isnan(before):
        return _Condition(
            False, f"{metric} {_shown(observed)} cannot be compared with the champion's {_shown(before)}.", observed, None
        )
    lower = metric in LOWER_IS_BETTER
    required = before + margin if lower else before - margin
    passed = observed <= required if lower else observed >= required
    difference = abs(observed - before)
    place = "equals" if difference == 0 else f"is {difference:.4f} {'better' if (observed < before) == lower else 'worse'} than"
    allowed = f"; {margin:g} worse is allowed" if not passed else ""
    return _Condition(passed, f"{metric} {_shown(observed)} {place} the champion's {_shown(before)}{allowed}.", observed, required)


def _sliced(gate: Gate, bound: float, slices: tuple[SliceMetrics, ...]) -> _Condition:
    large = [one for one in slices if one.rows >= gate.slice_rows]
    judged = [one for one in large if not math.isnan(one.metrics[gate.metric])]
    if not judged:
        sentence = f"No slice has {gate.slice_rows:,} rows and a {gate.metric}."
        return _Condition(True, sentence, float("nan"), bound)
    worst = min(judged, key=lambda one: one.metrics[gate.metric])
    observed = worst.metrics[gate.metric]
    where = f"on {worst} ({worst.rows:,} rows)"
    if observed >= bound:
        sentence = f"{gate.metric} is at least {bound:g} on each of {len(judged)} slices; lowest {where} with {_shown(observed)}."
        return _Condition(True, sentence, observed, bound)
    below = sum(one.metrics[gate.metric] < bound for one in judged)
    more = f"; {below - 1} more of {len(judged)} slices are below" if below > 1 else ""
    sentence = f"{gate.metric} {_shown(observed)} {where} is below the minimum {bound:g} by {bound - observed:.4f}{more}."
    return _Condition(False, sentence, observed, bound)


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4f}"
