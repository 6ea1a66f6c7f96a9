import math

import numpy as np
import pytest

from fti_assets.training import choose_threshold, cost_curve, threshold_table
from fti_assets.training.evaluation import threshold_row
from fti_assets.vocabulary import Costs

LABEL, SCORE = np.array([0.0, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
EUR = Costs(false_positive=1, false_negative=3, unit="EUR")


@pytest.mark.parametrize(
    ("costs", "threshold"),
    [
        pytest.param(EUR, 0.3, id="misses_cost_more"),  # one false alarm: 1; at 0.5 one miss: 3
        pytest.param(Costs(false_positive=3, false_negative=1, unit="EUR"), 0.5, id="alarms_cost_more"),
        pytest.param(Costs(false_positive=0, false_negative=1, unit="EUR"), 0.3, id="alarms_are_free"),
        pytest.param(None, 0.3, id="best_f1"),
    ],
)
def test_the_best_threshold_is_found(costs, threshold):
    assert choose_threshold(LABEL, SCORE, costs).value == threshold


def test_a_threshold_says_by_what_it_was_chosen():
    rule = "the least cost on the validation split, with 1 EUR for a false positive, 3 for a false negative"
    assert choose_threshold(LABEL, SCORE, EUR).rule == rule
    assert "best F1" in choose_threshold(LABEL, SCORE, None).rule


def test_it_may_be_best_to_select_nothing():
    costs = Costs(false_positive=100, false_negative=1, unit="EUR")
    label = np.array([1.0, 0, 0, 1])
    score = np.array([0.9, 0.9, 1.0, 0.8])
    assert not (score >= choose_threshold(label, score, costs).value).any()


@pytest.mark.parametrize("costs", [pytest.param(EUR, id="costs"), pytest.param(None, id="f1")])
def test_no_threshold_is_better_than_the_chosen_one(costs):
    random = np.random.default_rng(0)
    score = np.round(random.beta(2, 5, 500), 2)
    label = (random.random(500) < score).astype(float)
    chosen = threshold_row(label, score, choose_threshold(label, score, costs).value, costs)
    rows = [threshold_row(label, score, one, costs) for one in [*np.unique(score), 1.1]]
    if costs is None:
        assert chosen.f1 == max(one.f1 for one in rows)
    else:
        assert chosen.cost == pytest.approx(min(one.cost for one in rows), abs=1e-12)


def test_a_row_of_the_table_by_hand():
    row = threshold_row(LABEL, SCORE, 0.4, EUR)
    assert (row.selected, row.precision, row.recall, row.false_positive_rate) == (3 / 6, 2 / 3, 2 / 3, 1 / 3)
    assert row.f1 == pytest.approx(2 / 3)
    assert row.cost == pytest.approx((1 + 3) / 6)
    assert threshold_row(LABEL, SCORE, 0.4, None).cost is None


def test_the_cost_curve_agrees_with_the_rows():
    curve = cost_curve(LABEL, SCORE, EUR)
    assert list(curve.thresholds[1:]) == [0.5, 0.4, 0.3, 0.2, 0.1]
    for threshold, cost in zip(curve.thresholds, curve.cost, strict=True):
        assert cost == pytest.approx(threshold_row(LABEL, SCORE, threshold, EUR).cost)
    assert (curve.cost[0], curve.cost[-1]) == (3 * 3 / 6, 3 * 1 / 6)  # none and all


def test_the_table_has_the_tenths_and_the_chosen_threshold():
    score = np.arange(100) / 100
    table = threshold_table((score > 0.5).astype(float), score, None, 0.555)
    assert [one.threshold for one in table] == sorted((one.threshold for one in table), reverse=True)
    assert 0.555 in [one.threshold for one in table]
    assert [one.selected for one in table if one.threshold != 0.555] == pytest.approx(np.arange(1, 10) / 10)


@pytest.mark.parametrize(
    ("label", "score"), [pytest.param([0.0] * 5, [0.2] * 5, id="no_positive"), pytest.param([], [], id="no_rows")]
)
def test_what_cannot_be_told_is_nan(label, score):
    label, score = np.array(label), np.array(score)
    chosen = choose_threshold(label, score, None)
    assert (chosen.value, chosen.rule) == (0.5, "0.5, since the validation split has no positive row")
    assert math.isnan(threshold_row(label, score, 0.5, EUR).recall)
    assert choose_threshold(label, score, EUR).value > 0.2
    threshold_table(label, score, EUR, 0.5)
