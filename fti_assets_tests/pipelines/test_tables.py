from __future__ import annotations

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.base import PartitionKeyFilter

from fti_assets.errors import DefinitionError
from fti_assets.pipelines import feature_pipeline
from fti_assets_tests.conftest import reasons
from fti_assets_tests.pipelines import sql_of_another_module
from fti_assets_tests.pipelines.examples import DAYS, PLACES, READINGS, SENSORS, WARMTH, at, readings

WARMTH_KEY, VALIDATION_KEY = dg.AssetKey(["features", "warmth_v1"]), dg.AssetKey(["validation", "features", "warmth_v1"])
SUCCEEDED, FAILED = AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED
SUM_SQL = "SELECT sensor, read_at AS known_at, sum(value) OVER last_2d AS warmth FROM readings WINDOW last_2d AS (PARTITION BY sensor ORDER BY read_at RANGE BETWEEN INTERVAL 2 DAY PRECEDING AND CURRENT ROW)"  # noqa: E501


@pytest.fixture(scope="module")
def instance():
    """Dagster's own, in memory: half as slow. What our event log stores is compared with it in test_event_log."""
    with dg.DagsterInstance.ephemeral() as shared:
        yield shared


@pytest.fixture
def house(make_house, instance):
    """A lake of its own; the instance is shared, so tests look at their own runs."""
    empty = make_house(instance)
    publish(empty, readings(("a", "02 06:00", 5.0), ("a", "03 06:00", 6.0), ("a", "04 06:00", 7.0), ("b", "03 07:00", 8.0)))
    return empty


def publish(house, rows, first="2024-03-01", last="2024-03-06"):
    house.store.publish(READINGS, rows, DAYS.window(first, last), may_be_empty=True)


@feature_pipeline(WARMTH, reads=[READINGS])
def warmth(readings):
    return readings.select("sensor, read_at AS known_at, value AS warmth")


@feature_pipeline(WARMTH, reads=[READINGS], may_be_empty=True)
def warmth_that_may_be_empty(readings):
    return readings.select("sensor, read_at AS known_at, value AS warmth")


@feature_pipeline(WARMTH, reads=[READINGS.reaching_back(days=2)])
def summed(sql):
    return sql(SUM_SQL)


def table(house, target=WARMTH.table, columns="*"):
    with house.store.connect() as connection:
        return house.store.read(connection, target).select(columns).order("ALL").fetchall()


def validation_results(house, run_id):
    with house.store.connect() as connection:
        return connection.execute(
            "SELECT partition, expectation, severity, passed, unexpected FROM lake.validation.results WHERE run = ? ORDER BY ALL",
            [run_id],
        ).fetchall()


def status(instance, run_id, check, day):
    """How that check stands on that partition, as the run left it."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(WARMTH_KEY, check), limit=20, partition_filter=PartitionKeyFilter(key=day)
    )
    (record,) = [record for record in history if record.run_id == run_id]
    return record.status


def materialised(result):
    return {(event.asset_key, event.partition) for event in result.get_asset_materialization_events()}


def test_a_run_publishes_validates_and_describes(house, instance):
    result = house.materialize(warmth.assets(), "2024-03-03")

    assert result.success
    assert table(house) == [("a", at("03 06:00"), 6.0), ("b", at("03 07:00"), 8.0)]
    assert materialised(result) == {(WARMTH_KEY, "2024-03-03"), (VALIDATION_KEY, "2024-03-03")}
    (event,) = [event for event in result.asset_materializations_for_node("features__warmth_v1") if event.asset_key == WARMTH_KEY]
    assert event.metadata["dagster/partition_row_count"].value == 2
    assert event.metadata["replaced_rows"].value == 0
    assert event.metadata["changed_rows"].value == 2
    assert validation_results(house, result.run_id) == [
        ("2024-03-03", "possible", "critical", True, 0),
        ("2024-03-03", "usual", "warning", True, 0),
    ]


def test_materialising_a_day_again_replaces_it_and_nothing_else(house):
    house.materialize(warmth.assets(), "2024-03-02", "2024-03-04")
    publish(house, readings(("a", "03 09:00", 9.0)), "2024-03-03", "2024-03-03")

    house.materialize(warmth.assets(), "2024-03-03")

    assert table(house, columns="known_at, warmth") == [(at("02 06:00"), 5.0), (at("03 09:00"), 9.0), (at("04 06:00"), 7.0)]


@pytest.mark.parametrize("last", [pytest.param(None, id="single_partition"), pytest.param("2024-03-04", id="range")])
def test_a_critical_failure_publishes_nothing(house, instance, last):
    house.materialize(warmth.assets(), "2024-03-02", "2024-03-04")
    before = table(house)
    publish(house, readings(("a", "03 06:00", 1000.0), ("a", "04 06:00", 1.0)), "2024-03-03", "2024-03-04")

    result = house.materialize(warmth.assets(), "2024-03-03", last)

    assert not result.success
    (reason,) = reasons(result)
    assert "critical expectation(s) of 'features.warmth_v1' failed, so nothing was published" in reason
    assert "'possible' on 2024-03-03" in reason
    assert "1000" in reason
    assert table(house) == before
    days = {"2024-03-03", last or "2024-03-03"}
    assert materialised(result) == {(VALIDATION_KEY, day) for day in days}
    assert ("2024-03-03", "possible", "critical", False, 1) in validation_results(house, result.run_id)
    assert status(instance, result.run_id, "possible", "2024-03-03") == FAILED


def test_a_warning_publishes_and_warns(house, instance):
    publish(house, readings(("a", "03 06:00", 55.0)), "2024-03-03", "2024-03-03")

    result = house.materialize(warmth.assets(), "2024-03-03")

    assert result.success
    assert table(house, columns="warmth") == [(55.0,)]
    evaluations = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert not evaluations["usual"].passed
    assert evaluations["usual"].severity == dg.AssetCheckSeverity.WARN
    assert evaluations["possible"].passed
    assert evaluations["possible"].severity == dg.AssetCheckSeverity.ERROR
    assert status(instance, result.run_id, "usual", "2024-03-03") == FAILED


def test_checks_stand_on_their_partition_after_a_single_run(house, instance):
    result = house.materialize(warmth.assets(), "2024-03-04")

    assert status(instance, result.run_id, "possible", "2024-03-04") == SUCCEEDED


def test_checks_stand_on_their_partition_after_a_range_run(house, instance):
    publish(house, readings(("a", "02 06:00", 1.0), ("a", "03 06:00", 50.0), ("a", "04 06:00", 2.0)), "2024-03-02", "2024-03-04")

    result = house.materialize(warmth.assets(), "2024-03-02", "2024-03-04")

    assert result.success
    days = ["2024-03-02", "2024-03-03", "2024-03-04"]
    assert [status(instance, result.run_id, "usual", day) for day in days] == [SUCCEEDED, FAILED, SUCCEEDED]
    assert [status(instance, result.run_id, "possible", day) for day in days] == [SUCCEEDED] * 3
    latest = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(WARMTH_KEY, "usual"))
    assert latest.run_id == result.run_id
    summary = next(one for one in result.get_asset_check_evaluations() if one.check_name == "usual" and one.partition is None)
    assert summary.metadata["failed_partitions"].value == "2024-03-03"


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        pytest.param("2024-03-05", None, "for 2024-03-05", id="single_partition"),
        pytest.param("2024-03-01", "2024-03-05", "for 2024-03-01, 2024-03-05", id="days_of_a_range"),
    ],
)
def test_emptiness_is_refused(house, first, last, named):
    result = house.materialize(warmth.assets(), first, last)

    (reason,) = reasons(result)
    assert reason.startswith(f"The pipeline of 'features.warmth_v1' gave no rows {named}; nothing was published.")
    assert "may_be_empty=True" in reason
    assert not materialised(result)


def test_emptiness_that_is_meant_is_published(house):
    house.materialize(warmth.assets(), "2024-03-03")
    publish(house, readings(), "2024-03-03", "2024-03-03")

    result = house.materialize(warmth_that_may_be_empty.assets(), "2024-03-03")

    assert result.success
    assert table(house) == []
    with house.store.connect() as connection:
        assert house.store.unpublished_days(connection, WARMTH.table, DAYS.window("2024-03-03")) == []


def test_an_upstream_that_was_never_published_is_named(make_house, instance):
    (reason,) = reasons(make_house(instance).materialize(warmth.assets(), "2024-03-03"))

    assert reason == "'staging.readings' was never published. Materialise 'staging/readings' first."


def test_days_that_the_upstream_lacks_are_named(house):
    (reason,) = reasons(house.materialize(warmth_that_may_be_empty.assets(), "2024-03-05", "2024-03-08"))

    assert reason == (
        "'staging.readings' is not published for 2024-03-07, 2024-03-08. Materialise 'staging/readings' for these days first."
    )


def test_a_window_reaches_back_over_the_border_of_its_partition(house):
    house.materialize(summed.assets(), "2024-03-04")

    assert table(house, columns="known_at, warmth") == [(at("04 06:00"), 5.0 + 6.0 + 7.0)]


def test_a_range_gives_what_its_days_give_one_by_one(house, make_house, instance):
    by_day = make_house(instance)
    publish(by_day, readings(("a", "02 06:00", 5.0), ("a", "03 06:00", 6.0), ("a", "04 06:00", 7.0), ("b", "03 07:00", 8.0)))

    house.materialize(summed.assets(), "2024-03-02", "2024-03-04")
    for day in ("2024-03-03", "2024-03-02", "2024-03-04"):
        assert by_day.materialize(summed.assets(), day).success

    assert len(table(house)) == 4
    assert table(by_day) == table(house)


def test_borders_of_the_window_stand_in_sql(house):
    @feature_pipeline(WARMTH, reads=[READINGS])
    def borders(sql):
        return sql("SELECT 'a' AS sensor, $window_start AS known_at, date_diff('hour', $window_start, $window_end) AS warmth")

    house.materialize(borders.assets(), "2024-03-04")

    assert table(house) == [("a", at("04 00:00"), 24.0)]


def test_a_group_without_time_is_replaced_as_a_whole(house):
    rows = [pa.table({"sensor": ["a", "b"], "place": ["roof", "cellar"]}), pa.table({"sensor": ["c"], "place": ["roof"]})]

    @feature_pipeline(PLACES, reads=[SENSORS])
    def places(sensors):
        return sensors

    for delivered in rows:
        house.store.publish(SENSORS, delivered)
        assert house.materialize(places.assets()).success

    assert table(house, PLACES.table) == [("c", "roof")]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda rows: rows, id="relation"),
        pytest.param(lambda rows: rows.to_arrow_table(), id="arrow"),
        pytest.param(lambda rows: pl.from_arrow(rows.to_arrow_table()), id="polars"),
        pytest.param(lambda rows: rows.to_arrow_table().to_pandas(), id="pandas"),
        pytest.param(lambda rows: pd.DataFrame(rows.to_arrow_table().to_pylist(), index=[7, 7]), id="pandas_with_an_index"),
    ],
)
def test_a_function_returns_what_it_works_with(house, make):
    @feature_pipeline(WARMTH, reads=[READINGS])
    def returned(readings, window):
        assert window == DAYS.window("2024-03-03")
        return make(readings.select("value AS warmth, read_at AS known_at, sensor"))

    assert reasons(house.materialize(returned.assets(), "2024-03-03")) == []
    assert table(house) == [("a", at("03 06:00"), 6.0), ("b", at("03 07:00"), 8.0)]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        pytest.param("SELECT sensor, read_at, nothing FROM readings", "nothing", id="unknown_column"),
        pytest.param("SELECT sensor, read_at AS known_at, ('x' || sensor)::DOUBLE AS warmth FROM readings", "xa", id="bad_value"),
        pytest.param("SELECT sensor, read_at AS known_at FROM readings", "warmth", id="missing_feature"),
    ],
)
def test_a_query_that_fails_says_why_in_plain_words(house, query, named):
    @feature_pipeline(WARMTH, reads=[READINGS])
    def failing(sql):
        return sql(query)

    (reason,) = reasons(house.materialize(failing.assets(), "2024-03-03"))

    assert named in reason
    assert "Traceback" not in reason


def test_a_parameter_that_is_not_read_is_refused_at_once():
    with pytest.raises(DefinitionError, match=r"asks for 'weather', which it does not read\..* readings, sql, window"):

        @feature_pipeline(WARMTH, reads=[READINGS])
        def wrong(weather):
            return weather


def test_two_inputs_of_one_name_are_refused():
    with pytest.raises(DefinitionError, match="two tables under one name: readings"):
        feature_pipeline(WARMTH, reads=[READINGS, READINGS.reaching_back(days=1)])


def test_the_code_version_changes_with_the_sql_that_a_function_names(monkeypatch):
    @feature_pipeline(WARMTH, reads=[READINGS])
    def elsewhere(sql):
        return sql(sql_of_another_module.WARMTH_SQL)

    before = summed.code_version, elsewhere.code_version, warmth.code_version
    monkeypatch.setattr(sql_of_another_module, "WARMTH_SQL", "SELECT 2")
    assert elsewhere.code_version != before[1]
    assert (summed.code_version, warmth.code_version) == (before[0], before[2])
    monkeypatch.setitem(globals(), "SUM_SQL", "SELECT 3")
    assert summed.code_version != before[0]
    assert warmth.code_version == before[2]
