"""Contracts checked with Great Expectations, each partition by itself."""

import pandas as pd
import pytest

from fti_assets.errors import DefinitionError
from fti_assets.validation import validate
from fti_assets.validation.great_expectations import _unexpected_positions
from fti_assets.vocabulary import Expectation, expect

ROWS = pd.DataFrame(
    {
        "day": ["mon", "mon", "mon", "tue", "tue"],
        "temp": [1.0, 2.0, None, 99.0, 5.0],
        "code": pd.Series(["a", "b", "a", None, "x1"], dtype="category"),
        "low": [1, 1, 1, 4, 1],
        "high": [2, 2, 0, 5, 2],
    }
)


def judged(*expectations, rows=ROWS, partitions=("mon", "tue")):
    return validate(rows, rows["day"], expectations, partitions)


def told(*expectations, **more):
    """By partition: passed, rows judged, rows unexpected."""
    return {r.partition: (r.passed, r.rows, r.unexpected) for r in judged(*expectations, **more)}


def made(kind, *columns, **arguments):
    return Expectation(name="made", kind=kind, columns=columns, arguments=tuple(arguments.items()))


@pytest.mark.parametrize(
    ("expectation", "monday", "tuesday"),
    [
        pytest.param(expect.between("temp", 0, 40), (True, 2, 0), (False, 2, 1), id="between_passes_over_nulls"),
        pytest.param(expect.between("temp", low=2), (False, 2, 1), (True, 2, 0), id="at_least"),
        pytest.param(expect.not_null("temp"), (False, 3, 1), (True, 2, 0), id="not_null"),
        pytest.param(expect.one_of("code", ("a", "b")), (True, 3, 0), (False, 1, 1), id="one_of"),
        pytest.param(expect.matches("code", "^[a-z]$"), (True, 3, 0), (False, 1, 1), id="matches"),
        pytest.param(expect.unique("code"), (False, 3, 2), (True, 1, 0), id="unique_within_the_partition"),
        pytest.param(expect.unique("low", "high"), (False, 3, 2), (True, 2, 0), id="unique_together_within_the_partition"),
        pytest.param(expect.unique("temp", "code"), (True, 3, 0), (True, 2, 0), id="unique_with_some_nulls"),
        pytest.param(expect.row_count(low=3), (True, 3, 0), (False, 2, 1), id="row_count"),
        pytest.param(expect.row_count(high=2), (False, 3, 1), (True, 2, 0), id="row_count_at_most"),
        pytest.param(
            made("expect_column_pair_values_a_to_be_greater_than_b", "high", "low"),
            (False, 3, 1),
            (True, 2, 0),
            id="pair_of_columns",
        ),
        pytest.param(made("expect_column_value_lengths_to_equal", "code", value=1), (True, 3, 0), (False, 1, 1), id="any_by_row"),
    ],
)
def test_each_kind_in_each_partition(expectation, monday, tuesday):
    assert told(expectation) == {"mon": monday, "tue": tuesday}


@pytest.mark.parametrize(
    ("mostly", "passed"),
    [
        pytest.param(0.5, {"mon": True, "tue": True}, id="met_exactly"),
        pytest.param(0.51, {"mon": True, "tue": False}, id="missed_on_one_day_though_met_over_all"),
    ],
)
def test_mostly_is_a_share_of_the_partition(mostly, passed):
    assert {r.partition: r.passed for r in judged(expect.between("temp", 0, 40, mostly=mostly))} == passed


def test_a_partition_without_rows_is_judged_as_well():
    found = judged(expect.not_null("temp"), expect.row_count(low=1), rows=ROWS.iloc[:3], partitions=("mon", "sun"))
    assert [(r.expectation.name, r.partition, r.passed, r.rows) for r in found] == [
        ("temp_not_null", "mon", False, 3),
        ("temp_not_null", "sun", True, 0),
        ("row_count_in_range", "mon", True, 3),
        ("row_count_in_range", "sun", False, 0),
    ]


def test_no_rows_at_all():
    assert told(expect.between("temp", 0, 1), rows=ROWS.iloc[:0], partitions=("mon",)) == {"mon": (True, 0, 0)}
    assert judged(rows=ROWS) == []


def test_a_table_without_time_is_one_partition():
    found = validate(ROWS, pd.Series([""] * 5), (expect.between("temp", 0, 40),), [""])
    assert [(r.partition, r.passed, r.unexpected) for r in found] == [("", False, 1)]


def test_what_was_seen_is_told_in_words_with_examples():
    mon, tue = judged(expect.between("temp", 0, 40))
    assert (mon.observed, tue.observed) == ("0 of 2 rows unexpected", "1 of 2 rows unexpected, such as 99.0")
    assert judged(expect.unique("low", "high"))[0].observed == "2 of 3 rows unexpected, such as (1, 2), (1, 2)"
    assert judged(expect.row_count(low=3))[1].observed == "2 rows"


def test_equal_questions_are_asked_once_and_answered_each():
    question = ("expect_column_values_to_be_between", {"column": "temp", "max_value": 40})
    assert _unexpected_positions(ROWS, [question, ("expect_column_values_to_not_be_null", {"column": "temp"}), question]) == [
        [3],
        [2],
        [3],
    ]
    strict, loose = expect.between("temp", 0, 40), expect.between("temp", 0, 40, name="loose", mostly=0.5, severity="warning")
    found = {(r.expectation.name, r.partition): r.passed for r in judged(strict, loose)}
    assert found["temp_in_range", "tue"] is False
    assert found["loose", "tue"] is True


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        pytest.param(made("expect_column_to_shine", "temp"), "Great Expectations knows no 'expect_column_to_shine'", id="unknown"),
        pytest.param(expect.between("code", 0, 1), "'expect_column_values_to_be_between' could not be evaluated", id="wrong_type"),
        pytest.param(
            made("expect_column_mean_to_be_between", "temp", min_value=0),
            "'expect_column_mean_to_be_between' judges a column as a whole, not row by row",
            id="of_a_whole_column",
        ),
        pytest.param(
            made("expect_column_values_to_be_between", "temp", least=0),
            "refuses the arguments of 'expect_column_values",
            id="argument",
        ),
        pytest.param(
            made("expect_table_column_count_to_equal", value=5),
            r"\(expect_table_column_count_to_equal\) cannot be judged",
            id="of_a_table",
        ),
    ],
)
def test_expectations_that_cannot_be_judged(expectation, message):
    with pytest.raises(DefinitionError, match=message):
        judged(expectation)
