import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import Evaluation, SliceMetrics, judge
from fti_assets.vocabulary import Gate

NAN = float("nan")


def figures(auc=0.75, log_loss=0.5, **slices):
    found = tuple(SliceMetrics("origin", value, rows, {"auc": auc}) for value, (rows, auc) in slices.items())
    return Evaluation(metrics={"auc": auc, "log_loss": log_loss}, slices=found)


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
            Gate(metric="auc", champion_margin=0.0),
            figures(0.75),
            figures(0.75),
            True,
            "equals the champion's 0.7500.",
            id="as_good",
        ),
        pytest.param(
            Gate(metric="auc", champion_margin=0.005),
            figures(0.746),
            figures(0.75),
            True,
            "auc 0.7460 is 0.0040 worse than the champion's 0.7500.",
            id="worse_within_margin",
        ),
        pytest.param(
            Gate(metric="auc", champion_margin=0.005),
            figures(0.74),
            figures(0.75),
            False,
            "auc 0.7400 is 0.0100 worse than the champion's 0.7500; 0.005 worse is allowed.",
            id="worse_beyond_margin",
        ),
        pytest.param(
            Gate(metric="auc", champion_margin=-0.01),
            figures(0.755),
            figures(0.75),
            False,
            "is 0.0050 better than the champion's 0.7500",
            id="not_better_enough",
        ),
        pytest.param(
            Gate(metric="log_loss", champion_margin=0.01),
            figures(log_loss=0.52),
            figures(log_loss=0.5),
            False,
            "log_loss 0.5200 is 0.0200 worse than the champion's 0.5000",
            id="lower_is_better_worse",
        ),
        pytest.param(
            Gate(metric="log_loss", champion_margin=0.0),
            figures(log_loss=0.48),
            figures(log_loss=0.5),
            True,
            "log_loss 0.4800 is 0.0200 better than the champion's 0.5000.",
            id="lower_is_better_better",
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
            Gate(metric="auc", minimum=0.8, champion_margin=0.0),
            figures(0.75),
            figures(0.78),
            False,
            "auc 0.7500 is below the minimum 0.8 by 0.0500. auc 0.7500 is 0.0300 worse",
            id="two_conditions_fail",
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
    with pytest.raises(NotFoundError, match=r"Metric 'aucc' is not in the evaluation\. Did you mean 'auc'\?"):
        judge((Gate(metric="aucc", minimum=0.7),), figures(), None)
