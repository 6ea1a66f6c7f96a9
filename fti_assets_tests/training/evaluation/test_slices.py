import numpy as np
import pyarrow as pa
import pytest

from fti_assets.errors import NotFoundError
from fti_assets.training import binary_metrics, evaluate, slice_metrics, slices_table

ROWS = pa.table({"carrier": ["UA", None, "AA", "UA", "AA", "B6"], "hour": [7, 6, 6, 7, 6, 10], "holiday": [True] * 6})
LABEL, SCORE = [1, 0, 0, 0, 1, 1], [0.9, 0.1, 0.2, 0.3, 0.4, 0.5]


def test_each_value_is_a_slice():
    found = slice_metrics(ROWS, SCORE, LABEL, ["carrier", "hour", "holiday"], minimum_rows=1)
    assert [(str(one), one.rows) for one in found] == [
        ("carrier = AA", 2),
        ("carrier = B6", 1),
        ("carrier = UA", 2),
        ("carrier = (missing)", 1),
        ("hour = 6", 3),
        ("hour = 7", 2),
        ("hour = 10", 1),
        ("holiday = True", 6),
    ]
    assert found[2].metrics == binary_metrics([1, 0], [0.9, 0.3])
    assert np.isnan(found[1].metrics["auc"])


def test_small_slices_are_left_out():
    found = slice_metrics(ROWS, SCORE, LABEL, ["carrier"], minimum_rows=2)
    assert [one.value for one in found] == ["AA", "UA"]


def test_dictionaries_are_sliced_by_their_values():
    carriers = [pa.array(one).dictionary_encode() for one in (["UA", None, "AA"], ["UA", "AA", "B6"])]
    coded = ROWS.set_column(0, "carrier", pa.chunked_array(carriers))
    found, plain = (slice_metrics(table, SCORE, LABEL, ["carrier"], 1) for table in (coded, ROWS))
    assert [(one.value, one.rows, one.metrics["brier"]) for one in found] == [
        (one.value, one.rows, one.metrics["brier"]) for one in plain
    ]


def test_slices_as_a_table():
    table = slices_table(slice_metrics(ROWS, SCORE, LABEL, ["hour"], minimum_rows=2))
    assert table.select(["column", "value", "rows", "base_rate"]).to_pylist() == [
        {"column": "hour", "value": "6", "rows": 3, "base_rate": pytest.approx(1 / 3)},
        {"column": "hour", "value": "7", "rows": 2, "base_rate": 0.5},
    ]
    assert slices_table(()).num_rows == 0


def test_an_unknown_column_is_named():
    with pytest.raises(NotFoundError, match="Column 'origin' is not in the table to be sliced"):
        slice_metrics(ROWS, SCORE, LABEL, ["origin"])


def test_an_evaluation_is_that_of_the_split_and_of_each_slice_by_itself(fitted, data):
    evaluation = evaluate(fitted.model, data, ["carrier", "hour"])
    table, label = data.split("test"), data.labels("test")
    score = fitted.model.predict(table)
    assert evaluation.metrics == binary_metrics(label, score)
    assert {one.column for one in evaluation.slices} == {"carrier"}  # no hour has 100 of the 800 rows
    for one in evaluation.slices:
        rows = np.flatnonzero(np.asarray(table["carrier"].to_pandas() == one.value))
        assert one.metrics == binary_metrics(label[rows], score[rows])
    np.testing.assert_array_equal(evaluation.score, score)
    assert evaluate(fitted.model, data, split="validation").metrics["auc"] == pytest.approx(
        fitted.learning_curve["auc_validation"][fitted.best_iteration], abs=1e-5
    )
