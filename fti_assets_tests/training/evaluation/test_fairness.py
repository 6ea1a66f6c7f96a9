import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import binary_metrics, fairness_table

GROUP = ["a"] * 10 + ["b"] * 5 + [None] * 2
LABEL = np.array([1.0] * 4 + [0] * 6 + [1] * 2 + [0] * 3 + [1, 0])
SCORE = np.array([0.9, 0.9, 0.9, 0.1] + [0.9] + [0.1] * 5 + [0.9, 0.1] + [0.1] * 3 + [0.9, 0.9])


def test_each_group_has_its_row_the_largest_first():
    found = fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, ["group"], 0.5, minimum_rows=5)
    assert [(one.value, one.rows) for one in found] == [("a", 10), ("b", 5), ("(missing)", 2)]
    first, second, third = found
    assert (first.base_rate, first.selection_rate, first.true_positive_rate) == (0.4, 0.4, 0.75)
    assert first.false_positive_rate == pytest.approx(1 / 6)
    assert (second.selection_rate, second.true_positive_rate, second.false_positive_rate) == (0.2, 0.5, 0)
    assert second.calibration == pytest.approx(SCORE[10:15].mean() - 0.4)
    assert second.auc == binary_metrics(LABEL[10:15], SCORE[10:15])["auc"]
    assert (first.selection_ratio, second.selection_ratio) == (1, 0.5)
    assert third.has_too_few_rows
    assert not third.breaks_four_fifths


@pytest.mark.parametrize(
    ("selected", "flagged"),
    [
        pytest.param(7, True, id="less_than_four_fifths"),
        pytest.param(8, False, id="four_fifths"),
        pytest.param(10, False, id="alike"),
        pytest.param(12, False, id="a_bit_more"),
    ],
)
def test_the_four_fifths_rule(selected, flagged):
    group = ["large"] * 200 + ["small"] * 100
    score = np.array([1.0] * 20 + [0.0] * 180 + [1.0] * selected + [0.0] * (100 - selected))
    small = fairness_table(pa.table({"size": group}), score, np.zeros(300), ["size"], 0.5)[1]
    assert small.selection_ratio == pytest.approx(min(selected / 10, 1))
    assert small.breaks_four_fifths is flagged


def rated(**groups):
    """The groups, each of so many rows of which so many are selected, by the largest first."""
    names = [name for name, (rows, _) in groups.items() for _ in range(rows)]
    score = np.concatenate([np.arange(rows) < selected for rows, selected in groups.values()]).astype(float)
    return {one.value: one for one in fairness_table(pa.table({"group": names}), score, np.zeros(len(score)), ["group"], 0.5)}


def test_groups_are_compared_with_the_one_that_is_selected_most_often():
    found = rated(large=(300, 150), a=(100, 41), b=(200, 120))
    assert [one.selection_ratio for one in found.values()] == pytest.approx([0.5 / 0.6, 1, 0.41 / 0.6])
    assert [name for name, one in found.items() if one.breaks_four_fifths] == ["a"]
    assert rated(large=(200, 20), small=(100, 13))["large"].breaks_four_fifths


def test_groups_of_few_rows_are_neither_compared_nor_compared_with():
    found = rated(large=(200, 100), other=(100, 45), tiny=(99, 99), one=(1, 0))
    assert [name for name, one in found.items() if one.has_too_few_rows] == ["tiny", "one"]
    assert not any(one.breaks_four_fifths for one in found.values())
    assert found["other"].selection_ratio == pytest.approx(0.9)
    assert all(one.has_too_few_rows for one in rated(a=(99, 0), b=(99, 99)).values())


def test_a_value_for_each_row_gives_no_row_for_each():
    rows = pa.table({"key": [*range(500), *[-1] * 100]})
    found = fairness_table(rows, np.linspace(0, 1, 600), np.zeros(600), ["key"], 0.5)
    assert [one.value for one in found][::21] == ["-1", "(480 small groups)"]
    assert sum(one.rows for one in found) == 600
    assert found[-1].has_too_few_rows


def test_nobody_selected_is_alike():
    table = pa.table({"group": ["a", "a", "b"]})
    found = fairness_table(table, np.zeros(3), np.zeros(3), ["group"], 0.5, minimum_rows=1)
    assert [one.selection_ratio for one in found] == [1, 1]
    assert not any(one.breaks_four_fifths for one in found)
    assert np.isnan(found[0].true_positive_rate)


def test_a_group_of_which_nobody_is_selected_is_flagged():
    assert rated(large=(200, 0), small=(100, 1))["large"].breaks_four_fifths


def test_without_sensitive_columns_there_is_no_table():
    assert fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, [], 0.5) == ()


def test_an_unknown_column_is_named():
    with pytest.raises(NotFoundError, match="Column 'sex' is not in the table"):
        fairness_table(pa.table({"group": GROUP}), SCORE, LABEL, ["sex"], 0.5)
