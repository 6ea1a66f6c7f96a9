import math

import numpy as np
import pytest

from fti_assets.training import Evaluation, Groups, ScoresError, binary_metrics, compare, intervals


def measured(label, score, groups=None):
    return Evaluation(metrics=binary_metrics(label, score), label=label, score=score, groups=groups)


def models(seed, count=1500, first=0.8, second=1.0):
    """Two models that see the truth through noise of their own."""
    random = np.random.default_rng(seed)
    logit = random.normal(-1, 1, count)
    label = (random.random(count) < 1 / (1 + np.exp(-logit))).astype(float)
    scores = [1 / (1 + np.exp(-(logit + noise * random.normal(0, 1, count)))) for noise in (first, second)]
    return [measured(label, score) for score in scores]


def delong(first, second):
    """Difference of two AUCs and its standard error.

    Source: Sun and Xu, Fast Implementation of DeLong's Algorithm, IEEE Signal Processing Letters 21(11), 2014.
    """
    positive = first.label == 1
    m, n = int(positive.sum()), int((~positive).sum())
    areas, by_positive, by_negative = [], [], []
    for score in (first.score, second.score):
        among_all, own_p, own_n = midranks(score), midranks(score[positive]), midranks(score[~positive])
        areas.append((among_all[positive].sum() / m - (m + 1) / 2) / n)
        by_positive.append((among_all[positive] - own_p) / n)
        by_negative.append(1 - (among_all[~positive] - own_n) / m)
    covariance = np.cov(by_positive) / m + np.cov(by_negative) / n
    return areas[0] - areas[1], math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def midranks(values):
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def test_it_agrees_with_delong():
    for seed in range(2):
        first, second = models(seed)
        found = compare("auc", first, second, replicates=1500)
        difference, error = delong(first, second)
        assert found.improvement.value == pytest.approx(difference, abs=1e-12)
        assert found.improvement.high - found.improvement.low == pytest.approx(2 * 1.96 * error, rel=0.1)
        p_value = math.erfc(abs(difference) / error / math.sqrt(2))
        assert found.p_value == pytest.approx(p_value, abs=0.03)


def test_a_model_equals_itself_exactly():
    first, _ = models(0)
    found = compare("auc", first, measured(first.label, first.score.copy()))
    assert (found.improvement.value, found.improvement.low, found.improvement.high) == (0, 0, 0)
    assert found.p_value == 1
    assert found.is_noise


def test_equal_models_seldom_seem_to_differ():
    found = [compare("auc", *models(seed, 400, 1.0, 1.0), replicates=100) for seed in range(40)]
    assert sum(not one.is_noise for one in found) <= 6  # 2 of 40 are expected


def test_a_model_that_is_better_is_found():
    found = compare("auc", *models(0, first=0.2))
    assert found.improvement.low > 0
    assert found.p_value < 0.01
    assert not found.is_noise


@pytest.mark.parametrize("metric", ["auc", "average_precision", "log_loss", "brier"])
def test_an_improvement_is_above_zero_whatever_the_metric(metric):
    better, worse = models(1, first=0.0, second=2.0)
    forth, back = compare(metric, better, worse), compare(metric, worse, better)
    assert forth.improvement.low > 0
    assert back.improvement.high < 0
    assert back.improvement.value == -forth.improvement.value


def test_pairing_makes_it_surer():
    first, second = models(2, first=0.1, second=0.15)
    paired = compare("auc", first, second).improvement
    alone = intervals(first.metrics, first.label, first.score, Groups.rows(1500), ("auc",))["auc"]
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_days_that_belong_together_make_it_less_sure():
    random = np.random.default_rng(4)
    day = np.repeat(np.arange(40), 40)
    label = (random.random(1600) < 0.3).astype(float)
    shared = np.repeat(random.normal(0, 1, 40), 40) * (2 * label - 1)  # on some days the one is better, on others the other
    scores = [1 / (1 + np.exp(-(2 * label - 1 + sign * shared + random.normal(0, 1, 1600)))) for sign in (1, -1)]
    wide, narrow = (
        compare("auc", *(measured(label, score, groups) for score in scores)).improvement
        for groups in (Groups(day, 40, "day"), None)
    )
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_other_rows_are_refused():
    first, second = models(0)
    with pytest.raises(ScoresError, match="not evaluated on the same rows"):
        compare("auc", first, measured(1 - second.label, second.score))


def test_without_a_class_nothing_is_known():
    label, score = np.zeros(20), np.linspace(0, 1, 20)
    found = compare("auc", measured(label, score), measured(label, score))
    assert np.isnan([found.improvement.value, found.improvement.low, found.p_value]).all()
    assert compare("brier", measured(label, score), measured(label, score)).improvement.low == 0
