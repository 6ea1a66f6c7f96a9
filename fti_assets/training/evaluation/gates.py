"""Decides whether a challenger is promoted: a pure function of its figures, the champion's and the model's gates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fti_assets.training.evaluation.comparison import Comparison, compare
from fti_assets.training.evaluation.evaluation import Evaluation
from fti_assets.training.evaluation.slices import SliceMetrics
from fti_assets.vocabulary import Gate


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says.

    Attributes:
        sentence: each of its conditions in words, those that failed first.
        observed: the figure of the condition that failed, or else the overall figure.
        required: the bound that `observed` was held against; None where the gate only compared with nobody.
        comparison: with the champion, where the gate asks for one and there is a champion.
    """

    gate: Gate
    passed: bool
    sentence: str
    observed: float
    required: float | None
    comparison: Comparison | None = None


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
    comparison: Comparison | None = None


def judge(gates: tuple[Gate, ...], challenger: Evaluation, champion: Evaluation | None) -> Verdict:
    """Holds the challenger against each gate, and against the champion on the same rows where there is one.

    A gate with a `champion_margin` passes when the lower end of the interval of the challenger's improvement lies above minus the
    margin, so that noise does not promote; see `fti_assets.training.compare`.

    Raises:
        NotFoundError: a gate names a metric that was not measured.
        ScoresError: the champion was not evaluated on the same rows.
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
    compared = next((condition.comparison for condition in conditions if condition.comparison), None)
    return GateResult(gate, deciding.passed, sentence, deciding.observed, deciding.required, compared)


def _conditions(gate: Gate, challenger: Evaluation, champion: Evaluation | None) -> Iterator[_Condition]:
    observed = challenger.metric(gate.metric)
    if gate.minimum is not None:
        yield _bounded(gate.metric, observed, gate.minimum, lowest=True)
    if gate.maximum is not None:
        yield _bounded(gate.metric, observed, gate.maximum, lowest=False)
    if gate.champion_margin is not None:
        yield _compared(gate, gate.champion_margin, challenger, champion)
    if gate.slice_minimum is not None:
        yield _sliced(gate, gate.slice_minimum, challenger.slices, lowest=True)
    if gate.slice_maximum is not None:
        yield _sliced(gate, gate.slice_maximum, challenger.slices, lowest=False)


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


def _compared(gate: Gate, margin: float, challenger: Evaluation, champion: Evaluation | None) -> _Condition:
    observed = challenger.metric(gate.metric)
    if champion is None:
        return _Condition(True, f"{gate.metric} {_shown(observed)} has no champion to be compared with.", observed, None)
    before = champion.metric(gate.metric)
    if math.isnan(observed) or math.isnan(before):
        sentence = f"{gate.metric} {_shown(observed)} cannot be compared with the champion's {_shown(before)}."
        return _Condition(False, sentence, observed, None)
    found = compare(gate.metric, challenger, champion, confidence=gate.confidence)
    passed = found.improvement.low >= -margin  # NaN never passes
    sentence = f"{gate.metric} {_shown(observed)} {_beside(found, before)}{'' if passed else _wanted(margin, found)}."
    return _Condition(passed, sentence, found.improvement.low, -margin, found)


def _beside(found: Comparison, before: float) -> str:
    """Where a challenger stands beside the champion, in words."""
    difference, low, high = found.improvement.value, found.improvement.low, found.improvement.high
    if difference == low == high == 0:
        return f"equals the champion's {_shown(before)}"
    place = f"is {abs(difference):.4f} {'better' if difference > 0 else 'worse'} than the champion's {_shown(before)}"
    if math.isnan(low):
        return f"{place}, and how sure that is cannot be told"
    noise = "within noise" if found.is_noise else "more than noise"
    sure = f"{found.confidence:.0%} interval of the improvement {low:+.4f} to {high:+.4f}, resampled by {found.unit}"
    return f"{place}, {noise} ({sure})"


def _wanted(margin: float, found: Comparison) -> str:
    """What was asked for and not reached, in words."""
    wanted = f"not worse by more than {margin:g}" if margin > 0 else f"better by {-margin:g}" if margin < 0 else "not worse"
    return f"; with {found.confidence:.0%} confidence it must be {wanted}"


def _sliced(gate: Gate, bound: float, slices: tuple[SliceMetrics, ...], *, lowest: bool) -> _Condition:
    large = [one for one in slices if one.rows >= gate.slice_rows]
    judged = [one for one in large if not math.isnan(one.metrics[gate.metric])]
    if not judged:
        sentence = f"No slice has {gate.slice_rows:,} rows and a {gate.metric}."
        return _Condition(True, sentence, float("nan"), bound)
    worst = (min if lowest else max)(judged, key=lambda one: one.metrics[gate.metric])
    observed = worst.metrics[gate.metric]
    where = f"on {worst} ({worst.rows:,} rows)"
    least, furthest, beyond = ("least", "lowest", "below") if lowest else ("most", "highest", "above")
    failed = sum(one.metrics[gate.metric] < bound if lowest else one.metrics[gate.metric] > bound for one in judged)
    if not failed:
        shown = f"{gate.metric} is at {least} {bound:g} on each of {len(judged)} slices"
        return _Condition(True, f"{shown}; {furthest} {where} with {_shown(observed)}.", observed, bound)
    side = f"{beyond} the {'minimum' if lowest else 'maximum'} {bound:g} by {abs(bound - observed):.4f}"
    more = f"; {failed - 1} more of {len(judged)} slices are {beyond}" if failed > 1 else ""
    return _Condition(False, f"{gate.metric} {_shown(observed)} {where} is {side}{more}.", observed, bound)


def _shown(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.4f}"
