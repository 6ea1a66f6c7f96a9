import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import binary_metrics, fairness_table

GROUP = ["a"] * 10 + ["b"] * 5 + [None] * 2
LABEL = np.array([1.0] * 4 + [0] * 6 + [1] * 2 + [0] * 3 + [1, 0])
SCORE = np.array([0.9, 0.9, 0.9, 0.1] + [0.9] + [0.1] * 5 + [0.9, 0.1] + [0.1] * 3 + [0.9, 0.9])


def test_each_group_has_its_row_the_largest_first():
    found = fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, ["group"], 0.5)
    assert [(one.value, one.rows) for one in found] == [("a", 10), ("b", 5), ("(missing)", 2)]
    first, second, third = found
    assert (first.base_rate, first.selection_rate, first.true_positive_rate) == (0.4, 0.4, 0.75)
    assert first.false_positive_rate == pytest.approx(1 / 6)
    assert (second.selection_rate, second.true_positive_rate, second.false_positive_rate) == (0.2, 0.5, 0)
    assert second.calibration == pytest.approx(SCORE[10:15].mean() - 0.4)
    assert second.auc == binary_metrics(LABEL[10:15], SCORE[10:15])["auc"]
    assert (first.selection_ratio, second.selection_ratio, third.selection_ratio) == (1, 0.5, 2.5)


@pytest.mark.parametrize(
    ("selected", "flagged"),
    [
        pytest.param(7, True, id="less_than_four_fifths"),
        pytest.param(8, False, id="four_fifths"),
        pytest.param(10, False, id="alike"),
        pytest.param(12, False, id="a_bit_more"),
        pytest.param(13, True, id="the_largest_less_than_four_fifths"),
    ],
)
def test_the_four_fifths_rule(selected, flagged):
    group = ["large"] * 200 + ["small"] * 100
    score = np.array([1.0] * 20 + [0.0] * 180 + [1.0] * selected + [0.0] * (100 - selected))
    small = fairness_table(pa.table({"size": group}), score, np.zeros(300), ["size"], 0.5)[1]
    assert small.selection_ratio == pytest.approx(selected / 10)
    assert small.breaks_four_fifths is flagged


def test_nobody_selected_is_alike():
    found = fairness_table(pa.table({"group": ["a", "a", "b"]}), np.zeros(3), np.zeros(3), ["group"], 0.5)
    assert [one.selection_ratio for one in found] == [1, 1]
    assert not any(one.breaks_four_fifths for one in found)
    assert np.isnan(found[0].true_positive_rate)


def test_a_group_that_alone_is_selected_is_flagged():
    found = fairness_table(pa.table({"group": ["a", "a", "b"]}), np.array([0.0, 0, 1]), np.zeros(3), ["group"], 0.5)
    assert found[1].breaks_four_fifths


def test_without_sensitive_columns_there_is_no_table():
    assert fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, [], 0.5) == ()


def test_an_unknown_column_is_named():
    with pytest.raises(NotFoundError, match="Column 'sex' is not in the table"):
        fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, ["sex"], 0.5)
