import numpy as np
import pytest

from fti_assets.training import ScoresError, binary_metrics, calibration_table, roc_points
from fti_assets.vocabulary import LOWER_IS_BETTER, METRICS


def sample(kind, count=3000):
    random = np.random.default_rng(5)
    score = random.beta(2, 5, count)
    label = random.random(count) < score
    score = {"smooth": score, "ties": np.round(score, 1), "constant": np.full(count, 0.3), "extreme": np.round(score)}[kind]
    return label, score


@pytest.mark.parametrize("kind", ["smooth", "ties", "constant", "extreme"])
def test_figures_agree_with_scikit_learn(kind):
    from sklearn import metrics

    label, score = sample(kind)
    found = binary_metrics(label, score)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(label, score), abs=1e-12)
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(label, score), abs=1e-12)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(label, score), abs=1e-12)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(label, score), abs=1e-12)
    assert found["base_rate"] == pytest.approx(label.mean())
    assert found["mean_prediction"] == pytest.approx(score.mean())
    assert found["rows"] == len(label)


def test_what_gates_may_ask_for_is_measured_and_nothing_else():
    assert set(binary_metrics(*sample("smooth"))) == {*METRICS, "base_rate", "mean_prediction", "rows"}
    assert set(binary_metrics([], [])) == {*METRICS, "base_rate", "mean_prediction", "rows"}
    assert set(METRICS) > LOWER_IS_BETTER


def test_a_sure_score_that_is_wrong_costs_much_but_not_infinitely():
    assert 30 < binary_metrics([1, 0], [0.0, 0.0])["log_loss"] * 2 < 40


@pytest.mark.parametrize(
    ("label", "score", "auc"),
    [
        pytest.param([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0, id="perfect"),
        pytest.param([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.0, id="reversed"),
        pytest.param([0, 1], [0.5, 0.5], 0.5, id="a_tie_counts_half"),
        pytest.param([0, 1, 1], [0.5, 0.5, 0.9], 0.75, id="a_tie_and_a_win"),
    ],
)
def test_auc_by_hand(label, score, auc):
    assert binary_metrics(label, score)["auc"] == auc


@pytest.mark.parametrize("value", [pytest.param(0, id="no_positive"), pytest.param(1, id="no_negative")])
def test_one_class_has_no_auc(value):
    found = binary_metrics([value] * 4, [0.1, 0.2, 0.3, 0.4])
    assert np.isnan(found["auc"])
    assert np.isnan(found["average_precision"]) == (value == 0)
    assert np.isfinite([found["log_loss"], found["brier"], found["calibration_error"]]).all()


def test_no_rows_have_no_figures():
    found = binary_metrics([], [])
    assert found.pop("rows") == 0
    assert all(np.isnan(value) for value in found.values())
    assert calibration_table([], []) == []


def test_calibration_error_is_the_mean_distance_by_tenth():
    score = np.repeat(np.linspace(0.05, 0.95, 10), 100)
    exact = np.tile(np.arange(100), 10) < np.round(score * 100)
    assert binary_metrics(exact, score)["calibration_error"] == pytest.approx(0, abs=1e-12)
    assert binary_metrics(exact, np.clip(score + 0.05, 0, 1))["calibration_error"] == pytest.approx(0.05)


def test_calibration_bins_are_equal_in_size_and_in_order():
    table = calibration_table(*sample("smooth"))
    assert [one.rows for one in table] == [300] * 10
    assert [one.mean_prediction for one in table] == sorted(one.mean_prediction for one in table)


@pytest.mark.parametrize(
    ("kind", "bins"), [pytest.param("constant", 1, id="constant"), pytest.param("extreme", 2, id="two_values")]
)
def test_equal_scores_stay_in_one_bin(kind, bins):
    label, score = sample(kind)
    table = calibration_table(label, score)
    assert len(table) == bins
    assert sum(one.rows for one in table) == len(label)


def test_the_roc_curve_runs_from_corner_to_corner():
    from sklearn.metrics import roc_curve

    label, score = sample("smooth")
    false_rate, true_rate = roc_points(label, score, most=100)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert len(false_rate) == 100
    exact = roc_curve(label, score, drop_intermediate=False)
    assert set(zip(false_rate, true_rate, strict=True)) <= set(zip(exact[0], exact[1], strict=True))


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        pytest.param([0, 1], [0.5], "equal length", id="lengths"),
        pytest.param([0, 2], [0.5, 0.5], "neither 0 nor 1", id="label"),
        pytest.param([0, float("nan")], [0.5, 0.5], "neither 0 nor 1", id="missing_label"),
        pytest.param([0, 1], [0.5, 1.5], "not a probability", id="score"),
        pytest.param([0, 1], [0.5, float("nan")], "not a probability", id="missing_score"),
    ],
)
def test_what_does_not_fit_is_refused(label, score, message):
    with pytest.raises(ScoresError, match=message):
        binary_metrics(label, score)
