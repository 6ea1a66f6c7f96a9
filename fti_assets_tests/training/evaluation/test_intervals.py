import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import METRICS, Groups, binary_metrics, intervals
from fti_assets.training.evaluation.intervals import Interval, interval, replicated
from fti_assets.training.evaluation.metrics import checked
from fti_assets.training.evaluation.ranking import Ranking, area, average_precision


def sample(count=1500, seed=5, places=3):
    random = np.random.default_rng(seed)
    score = np.round(random.beta(2, 5, count), places)
    return checked(random.random(count) < score, score)


@pytest.mark.parametrize("places", [pytest.param(1, id="many_ties"), pytest.param(15, id="no_ties")])
def test_weighted_figures_agree_with_scikit_learn(places):
    from sklearn import metrics

    label, score = sample(places=places)
    weights = np.random.default_rng(1).integers(0, 4, len(label)).astype(float)
    ranking = Ranking.of(label, score)
    counted = ranking.cumulative(weights[ranking.order])
    assert area(*counted) == pytest.approx(metrics.roc_auc_score(label, score, sample_weight=weights), abs=1e-12)
    assert average_precision(*counted) == pytest.approx(
        metrics.average_precision_score(label, score, sample_weight=weights), abs=1e-12
    )


def test_a_replicate_is_what_the_drawn_rows_measure():
    label, score = sample()
    groups = Groups.of(pa.table({"day": np.arange(len(label)) // 30}), ["day"], "day")
    found = replicated(label, score, groups, METRICS, replicates=3, seed=7)
    random = np.random.default_rng(7)
    for n in range(3):
        drawn = random.integers(0, groups.count, groups.count)
        rows = np.concatenate([np.flatnonzero(groups.codes == group) for group in drawn])
        expected = binary_metrics(label[rows], score[rows])
        for metric in ("auc", "average_precision", "log_loss", "brier"):
            assert found[metric][n] == pytest.approx(expected[metric], abs=1e-12)
        assert found["calibration_error"][n] == pytest.approx(expected["calibration_error"], abs=0.02)  # bins are of all rows


def test_intervals_hold_their_figures_and_are_the_same_again():
    label, score = sample()
    figures, groups = binary_metrics(label, score), Groups.rows(len(label))
    found = intervals(figures, label, score, groups)
    assert list(found) == list(METRICS)
    for metric, one in found.items():
        assert one.value == figures[metric]
        assert one.low <= one.value <= one.high
        assert 0 < one.high - one.low < 0.2
    assert intervals(figures, label, score, groups) == found
    assert intervals(figures, label, score, groups, seed=1) != found


def test_more_confidence_is_wider():
    label, score = sample()
    figures, groups = binary_metrics(label, score), Groups.rows(len(label))
    narrow, wide = (intervals(figures, label, score, groups, ("auc",), confidence=c)["auc"] for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = binary_metrics(*sample(200_000, seed=99, places=15))
    rounds, held = 80, dict.fromkeys(("auc", "average_precision", "log_loss", "brier"), 0)
    for seed in range(rounds):
        label, score = sample(400, seed=seed, places=15)
        found = intervals(binary_metrics(label, score), label, score, Groups.rows(400), list(held), replicates=100, seed=seed)
        for metric, one in found.items():
            held[metric] += one.low <= truth[metric] <= one.high
    for metric, times in held.items():  # 95% of 80 are 76, with a deviation of 1.9
        assert times >= 69, metric


def days(seed, count=40, rows=25):
    """Days whose weather all of their flights share, and which the model does not see."""
    random = np.random.default_rng(seed)
    weather = np.repeat(random.normal(0, 1, count), rows)
    logit = random.normal(-2, 1, count * rows)
    label = random.random(count * rows) < 1 / (1 + np.exp(-(logit + weather)))
    day = np.repeat(np.arange(count), rows)
    return *checked(label, 1 / (1 + np.exp(-logit))), Groups(day, count, "day")


def test_rows_that_belong_together_are_not_taken_for_evidence():
    truth = np.mean([binary_metrics(*days(seed, 400)[:2])["brier"] for seed in range(50, 70)])
    held = {"day": 0, "row": 0}
    for seed in range(50):
        label, score, together = days(seed)
        for groups in (together, Groups.rows(len(label))):
            figures = binary_metrics(label, score)
            one = intervals(figures, label, score, groups, ("brier",), replicates=100, seed=seed)["brier"]
            held[groups.unit] += one.low <= truth <= one.high
    assert held["day"] >= 43
    assert held["row"] < held["day"] - 3


@pytest.mark.parametrize(
    ("label", "score"),
    [
        pytest.param([1.0] * 30, np.linspace(0, 1, 30), id="one_class"),
        pytest.param([], [], id="no_rows"),
        pytest.param([1.0], [0.5], id="one_row"),
    ],
)
def test_what_cannot_be_told_is_nan(label, score):
    label, score = checked(label, score)
    found = intervals(binary_metrics(label, score), label, score, Groups.rows(len(label)))
    assert np.isnan([found["auc"].low, found["auc"].high]).all()
    assert str(found["auc"]) == "NaN"


def test_one_positive_in_many_rows_does_not_break_it():
    label, score = checked(np.arange(50) == 3, np.linspace(0, 1, 50))
    found = intervals(binary_metrics(label, score), label, score, Groups.rows(50))
    assert 0 <= found["auc"].low <= found["auc"].value <= found["auc"].high <= 1


def test_an_interval_lies_about_its_figure_even_where_every_sample_is_larger():
    drawn = np.linspace(0.03, 0.05, 101)
    assert interval(0.02, drawn, 1000, 0.9) == Interval(0.02, pytest.approx(0.011, abs=1e-4), pytest.approx(0.029, abs=1e-4))


def test_an_interval_in_words():
    assert str(Interval(0.7416, 0.735, 0.7481)) == "0.7416 (0.7350 to 0.7481)"
    assert str(Interval(0.7416, float("nan"), float("nan"))) == "0.7416"


def test_an_unknown_metric_is_named():
    label, score = sample(100)
    with pytest.raises(NotFoundError, match="Metric 'base_rate' is not in what can be resampled"):
        intervals(binary_metrics(label, score), label, score, Groups.rows(100), ("base_rate",))
