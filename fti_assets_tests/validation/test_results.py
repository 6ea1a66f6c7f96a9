"""Results of validation as rows and as an error."""

from datetime import UTC, datetime

import pytest

from fti_assets.feature_store import FeatureStore
from fti_assets.validation import VALIDATION_RESULTS, ExpectationResult, as_rows, broken
from fti_assets.vocabulary import Column, Table, expect

TABLE = Table(schema="features", name="weather_v1", columns=(Column("temp", "float"),), key=())


def result(passed=False, partition="2024-01-10", severity="critical", name=None):
    made = expect.between("temp", 0, 40, severity=severity, name=name)
    return ExpectationResult(
        expectation=made, partition=partition, passed=passed, rows=3, unexpected=1, observed="1 of 3 rows unexpected"
    )


def test_results_become_rows_that_the_lake_takes(tmp_path):
    start, end = datetime(2024, 1, 10, tzinfo=UTC), datetime(2024, 1, 11, tzinfo=UTC)
    rows = as_rows([result(), result(partition="")], table=TABLE, version=1, windows={"2024-01-10": (start, end)}, run="r1")
    store = FeatureStore(tmp_path)
    with store.connect() as connection:
        store.append(connection, VALIDATION_RESULTS, rows, description="Results.", run="r1")
        found = store.read(connection, VALIDATION_RESULTS).to_arrow_table().to_pylist()
    assert found[0] | {"validated_at": None} == {
        "table_name": "features.weather_v1",
        "version": 1,
        "partition": "2024-01-10",
        "window_start": start,
        "window_end": end,
        "expectation": "temp_in_range",
        "says": "temp is from 0 to 40",
        "severity": "critical",
        "passed": False,
        "observed": "1 of 3 rows unexpected",
        "rows": 3,
        "unexpected": 1,
        "run": "r1",
        "validated_at": None,
    }
    assert (found[1]["window_start"], found[1]["window_end"]) == (None, None)
    assert abs((datetime.now(UTC) - found[0]["validated_at"]).total_seconds()) < 60


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([], id="none"),
        pytest.param([result(passed=True)], id="passed"),
        pytest.param([result(severity="warning")], id="warning"),
    ],
)
def test_nothing_is_broken(results):
    assert broken(TABLE, results) is None


def test_a_broken_contract_names_expectation_partition_and_what_was_seen():
    error = broken(TABLE, [result(), result(partition="", name="other"), result(passed=True)])
    assert str(error).startswith(
        "2 critical expectation(s) of 'features.weather_v1' failed, so nothing was published: 'temp_in_range' on 2024-01-10"
        " (temp is from 0 to 40): 1 of 3 rows unexpected; 'other' (temp "
    )


def test_many_failures_are_counted_after_the_fifth():
    assert "and 2 more." in str(broken(TABLE, [result(partition=str(n)) for n in range(7)]))
