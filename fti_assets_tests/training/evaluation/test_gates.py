import numpy as np
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import Evaluation, ScoresError, SliceMetrics, binary_metrics, judge
from fti_assets.vocabulary import Gate

NAN = float("nan")


def figures(auc=0.75, log_loss=0.5, **slices):
    found = tuple(SliceMetrics("origin", value, rows, {"auc": auc}) for value, (rows, auc) in slices.items())
    return Evaluation(metrics={"auc": auc, "log_loss": log_loss}, slices=found)


def briers(**slices):
    found = tuple(SliceMetrics("origin", value, rows, {"brier": brier}) for value, (rows, brier) in slices.items())
    return Evaluation(metrics={"brier": 0.1}, slices=found)


RANDOM = np.random.default_rng(0)
LOGIT = RANDOM.normal(-1, 1, 3000)
LABEL = (RANDOM.random(3000) < 1 / (1 + np.exp(-LOGIT))).astype(float)
NOISE = RANDOM.normal(0, 1, (2, 3000))


def scored(noise, seed=0):
    """A model that sees the truth through noise; more noise is a worse model."""
    return measured(1 / (1 + np.exp(-(LOGIT + noise * NOISE[seed]))))


def measured(score, label=LABEL):
    return Evaluation(metrics=binary_metrics(label, score), label=label, score=score)


@pytest.mark.parametrize(
    ("gate", "challenger", "champion", "passed", "said"),
    [
        pytest.param(
            Gate(metric="auc", minimum=0.74), figures(0.75), None, True, "auc 0.7500 is at least 0.74.", id="above_minimum"
        ),
        pytest.param(
            Gate(metric="auc", minimum=0.75), figures(0.75), None, True, "auc 0.7500 is at least 0.75.", id="equal_to_minimum"
        ),
        pytest.param(
            Gate(metric="auc", minimum=0.76),
            figures(0.75),
            None,
            False,
            "auc 0.7500 is below the minimum 0.76 by 0.0100.",
            id="below_minimum",
        ),
        pytest.param(
            Gate(metric="log_loss", maximum=0.4),
            figures(),
            None,
            False,
            "log_loss 0.5000 is above the maximum 0.4 by 0.1000.",
            id="above_maximum",
        ),
        pytest.param(
            Gate(metric="log_loss", maximum=0.5), figures(), None, True, "log_loss 0.5000 is at most 0.5.", id="equal_to_maximum"
        ),
        pytest.param(Gate(metric="auc", minimum=0.7), figures(NAN), None, False, "auc cannot be computed", id="nan_never_passes"),
        pytest.param(
            Gate(metric="auc", maximum=0.9), figures(NAN), None, False, "auc cannot be computed", id="nan_below_no_maximum"
        ),
        pytest.param(
            Gate(metric="auc", champion_margin=0.0),
            figures(),
            None,
            True,
            "auc 0.7500 has no champion to be compared with.",
            id="no_champion",
        ),
        pytest.param(
            Gate(metric="auc", champion_margin=0.0), figures(0.75), figures(NAN), False, "cannot be compared", id="nan_champion"
        ),
        pytest.param(
            Gate(metric="auc", slice_minimum=0.7),
            figures(EWR=(600, 0.75), JFK=(900, 0.65)),
            None,
            False,
            "auc 0.6500 on origin = JFK (900 rows) is below the minimum 0.7 by 0.0500.",
            id="a_slice_below",
        ),
        pytest.param(
            Gate(metric="auc", slice_minimum=0.7),
            figures(EWR=(600, 0.69), JFK=(900, 0.65), LGA=(700, 0.75)),
            None,
            False,
            "by 0.0500; 1 more of 3 slices are below.",
            id="two_slices_below",
        ),
        pytest.param(
            Gate(metric="auc", slice_minimum=0.7),
            figures(EWR=(500, 0.75), JFK=(499, 0.1)),
            None,
            True,
            "auc is at least 0.7 on each of 1 slices; lowest on origin = EWR (500 rows) with 0.7500.",
            id="a_small_slice_is_not_judged",
        ),
        pytest.param(
            Gate(metric="auc", slice_minimum=0.7),
            figures(EWR=(600, NAN)),
            None,
            True,
            "No slice has 500 rows and a auc.",
            id="a_slice_of_one_class_is_not_judged",
        ),
        pytest.param(
            Gate(metric="brier", slice_maximum=0.2),
            briers(EWR=(600, 0.19), JFK=(900, 0.25), LGA=(500, 0.21)),
            None,
            False,
            "brier 0.2500 on origin = JFK (900 rows) is above the maximum 0.2 by 0.0500; 1 more of 3 slices are above.",
            id="slices_above",
        ),
        pytest.param(
            Gate(metric="brier", slice_maximum=0.2),
            briers(EWR=(600, 0.19), JFK=(900, 0.2)),
            None,
            True,
            "brier is at most 0.2 on each of 2 slices; highest on origin = JFK (900 rows) with 0.2000.",
            id="no_slice_above",
        ),
        pytest.param(Gate(metric="auc"), figures(), None, True, "the gate asks for nothing", id="nothing_asked"),
    ],
)
def test_a_gate(gate, challenger, champion, passed, said):
    verdict = judge((gate,), challenger, champion)
    assert verdict.promoted is passed
    assert said in verdict.results[0].sentence
    assert verdict.reason == f"{'Promoted' if passed else 'Not promoted'}: {verdict.results[0].sentence}"


def test_every_gate_must_pass_and_the_reason_names_those_that_failed():
    gates = (Gate(metric="auc", minimum=0.7), Gate(metric="log_loss", maximum=0.4))
    verdict = judge(gates, figures(), None)
    assert not verdict.promoted
    assert [result.gate.metric for result in verdict.failed] == ["log_loss"]
    assert verdict.reason == "Not promoted: log_loss 0.5000 is above the maximum 0.4 by 0.1000."


def test_observed_and_required_are_those_of_the_condition_that_failed():
    gate = Gate(metric="auc", minimum=0.7, slice_minimum=0.7)
    result = judge((gate,), figures(0.75, JFK=(900, 0.65)), None).results[0]
    assert (result.passed, result.observed, result.required) == (False, 0.65, 0.7)
    result = judge((gate,), figures(0.75, JFK=(900, 0.71)), None).results[0]
    assert (result.passed, result.observed, result.required) == (True, 0.75, 0.7)


def test_a_model_without_gates_is_promoted():
    assert judge((), figures(), None).reason == "Promoted: the model has no gates."


def test_a_gate_on_a_metric_that_was_not_measured_is_an_error():
    with pytest.raises(NotFoundError, match=r"Metric 'brier' is not in the evaluation\. It has: auc, log_loss"):
        judge((Gate(metric="brier", maximum=0.7),), figures(), None)


@pytest.mark.parametrize(
    ("metric", "margin", "challenger", "passed", "said"),
    [
        pytest.param("auc", 0.0, scored(1.0), True, "equals the champion's", id="the_same_model"),
        pytest.param("auc", -0.01, scored(1.0), False, "must be better by 0.01.", id="the_same_is_not_better"),
        pytest.param("auc", 0.0, scored(0.0), True, "better than the champion's", id="better"),
        pytest.param("auc", -0.01, scored(0.0), True, "more than noise", id="better_by_much"),
        pytest.param("auc", -0.2, scored(0.0), False, "must be better by 0.2.", id="not_better_enough"),
        pytest.param("auc", 0.0, scored(1.0, seed=1), False, "within noise", id="noise_does_not_promote"),
        pytest.param("auc", 0.05, scored(1.0, seed=1), True, "within noise", id="noise_within_the_margin"),
        pytest.param("auc", 0.005, scored(2.0), False, "must be not worse by more than 0.005.", id="worse_beyond_the_margin"),
        pytest.param("log_loss", 0.0, scored(0.0), True, "better than the champion's", id="lower_is_better"),
        pytest.param("log_loss", 0.0, scored(2.0), False, "worse than the champion's", id="higher_is_worse"),
        pytest.param("brier", 0.0, scored(0.0), True, "better than the champion's", id="brier"),
    ],
)
def test_a_gate_beside_the_champion(metric, margin, challenger, passed, said):
    result = judge((Gate(metric=metric, champion_margin=margin),), challenger, scored(1.0)).results[0]
    assert result.passed is passed
    assert said in result.sentence
    assert result.required == -margin
    assert result.observed == result.comparison.improvement.low


def test_a_challenger_that_is_better_by_chance_is_not_promoted():
    champion, challenger = scored(1.0), scored(1.0, seed=1)  # equally good by construction
    better, worse = sorted((champion, challenger), key=lambda one: -one.metrics["auc"])
    result = judge((Gate(metric="auc", champion_margin=0.0),), better, worse).results[0]
    assert result.comparison.improvement.value > 0
    assert not result.passed
    assert "95% interval of the improvement -" in result.sentence


def test_more_confidence_asks_for_more():
    gates = [Gate(metric="auc", champion_margin=0.0, confidence=confidence) for confidence in (0.5, 0.99)]
    lows = [judge((gate,), scored(0.6), scored(1.0)).results[0].observed for gate in gates]
    assert lows[1] < lows[0]


def test_every_failed_condition_is_said():
    result = judge((Gate(metric="auc", minimum=0.99, champion_margin=0.0),), scored(2.0), scored(1.0)).results[0]
    assert "is below the minimum 0.99" in result.sentence
    assert "worse than the champion's" in result.sentence


def test_models_that_were_measured_on_other_rows_are_not_compared():
    gate = Gate(metric="auc", champion_margin=0.0)
    with pytest.raises(ScoresError, match="not evaluated on the same rows"):
        judge((gate,), scored(1.0), measured(scored(1.0).score, 1 - LABEL))
    with pytest.raises(ScoresError, match="not evaluated on the same rows"):
        judge((gate,), figures(0.7), figures(0.7))
