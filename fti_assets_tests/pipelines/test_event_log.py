import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import BATCH_WRITABLE_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.base import PartitionKeyFilter
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy.exc import OperationalError

from fti_assets.pipelines import range_tags
from fti_assets.pipelines.check_events import report_by_partition
from fti_assets.pipelines.event_log import BatchingSqliteEventLogStorage
from fti_assets.validation import ExpectationResult
from fti_assets.vocabulary import expect

DAYS = dg.DailyPartitionsDefinition("2024-03-01", end_date="2024-04-01")
RANGE = ["2024-03-02", "2024-03-03", "2024-03-04", "2024-03-05"]
WARMTH = dg.AssetKey("warmth")
SUCCEEDED, FAILED = AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def judged(day):
    expectation = expect.between("warmth", 0, 40, name="usual", severity="warning")
    return ExpectationResult(
        expectation=expectation, partition=day, passed=day != RANGE[1], rows=3, unexpected=0, observed="3 rows"
    )


@dg.multi_asset(
    specs=[dg.AssetSpec("warmth", partitions_def=DAYS, tags={"colour": "red"}), dg.AssetSpec("cold", partitions_def=DAYS)],
    check_specs=[dg.AssetCheckSpec("usual", asset="warmth", partitions_def=DAYS), dg.AssetCheckSpec("calm", asset="cold")],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def weather(context: dg.AssetExecutionContext):
    """Each day has a result of its own; the check fails on the second."""
    if len(context.partition_keys) > 1:
        report_by_partition(context, WARMTH, [judged(day) for day in context.partition_keys])
    yield dg.AssetCheckResult(asset_key="warmth", check_name="usual", passed=False, severity=dg.AssetCheckSeverity.WARN)
    yield dg.AssetCheckResult(asset_key="cold", check_name="calm", passed=True)
    yield dg.MaterializeResult("warmth", metadata={"rows": 3}, tags={"a": "b"})
    yield dg.MaterializeResult("cold")


@dg.asset
def climate(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetObservation("climate", metadata={"mean": 11.5}, tags={"c": "d"}))


def run_twice(instance):
    """A run over a range, one of a single day, one of an asset without partitions."""
    for assets, tags, key in (
        ([weather], range_tags(RANGE[0], RANGE[-1]), None),
        ([weather], {}, RANGE[1]),
        ([climate], {}, None),
    ):
        assert dg.materialize(assets, instance=instance, tags=tags, partition_key=key, run_config=QUIET).success


@pytest.fixture(scope="module")
def instance(make_instance):
    made = make_instance()
    run_twice(made)
    return made


@pytest.fixture(scope="module")
def runs(instance):
    """Every event of those runs, by run, in the order in which they were stored."""
    return {run.run_id: instance.all_logs(run.run_id) for run in reversed(instance.get_runs())}


@pytest.fixture
def ours(tmp_path):
    return BatchingSqliteEventLogStorage(str(tmp_path / "ours"))


@pytest.fixture
def stock(tmp_path):
    return SqliteEventLogStorage(str(tmp_path / "stock"))


def in_batches(events):
    """Events as Dagster hands them over: those that it may batch together as long as they follow one another."""
    batch = []
    for event in events:
        if event.dagster_event_type in {*BATCH_WRITABLE_EVENTS, dg.DagsterEventType.ASSET_CHECK_EVALUATION}:
            batch.append(event)
            continue
        if batch:
            yield batch
        yield [event]
        batch = []
    if batch:
        yield batch


def content(storage, table, database="index"):
    """All rows of a table without the time at which they were inserted."""
    with sqlite3.connect(Path(storage._base_dir) / f"{database}.db") as connection:
        cursor = connection.execute(f"SELECT * FROM {table} ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [{n: v for n, v in zip(names, row, strict=True) if n != "create_timestamp"} for row in cursor]


def assert_the_same(ours, stock, runs):
    for table in ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions"):
        assert content(ours, table) == content(stock, table), table
    for run_id in runs:
        assert content(ours, "event_logs", run_id) == content(stock, "event_logs", run_id)


def test_batches_are_stored_row_for_row_as_dagster_stores_single_events(ours, stock, runs):
    longest = 0
    for events in runs.values():
        for batch in in_batches(events):
            longest = max(longest, len(batch))
            ours.store_event_batch(batch)
            for event in batch:
                stock.store_event(event)

    assert longest > 5
    assert len(content(stock, "asset_check_executions")) > len(RANGE)
    assert content(stock, "asset_event_tags")
    assert_the_same(ours, stock, runs)


def test_single_events_are_stored_as_by_dagster(ours, stock, runs):
    for events in runs.values():
        for event in events:
            ours.store_event_batch([event])
            stock.store_event(event)

    assert_the_same(ours, stock, runs)


def test_a_batch_of_several_runs_is_stored_as_by_dagster(ours, stock, runs):
    mixed = [event for events in zip(*(events[:8] for events in runs.values()), strict=True) for event in events]

    ours.store_event_batch(mixed)
    stock.store_event_batch(mixed)

    assert_the_same(ours, stock, runs)


def test_a_check_evaluated_twice_in_one_batch_keeps_the_last_result(ours, stock, runs):
    events = next(iter(runs.values()))
    evaluated = [event for event in events if event.dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION]

    for storage in (ours, stock):
        storage.store_event_batch([*evaluated, *evaluated])

    assert_the_same(ours, stock, list(runs)[:1])


class _Full(BatchingSqliteEventLogStorage):
    """Refuses to index checks, as a full disk would."""

    def _index_checks(self, conn, events, event_ids, texts):
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


def test_a_batch_that_fails_leaves_nothing_of_itself(tmp_path, runs):
    run_id, events = next(iter(runs.items()))
    full = _Full(str(tmp_path))
    full.store_event(events[0])
    batch = next(batch for batch in in_batches(events[1:]) if len(batch) > 1)
    before = content(full, "asset_keys")

    with pytest.raises(OperationalError, match="disk is full"):
        full.store_event_batch(batch)

    assert [record.event_log_entry for record in full.get_records_for_run(run_id).records] == events[:1]
    assert content(full, "asset_keys") == before
    for event in batch:  # what Dagster does next
        full.store_event(event)
    assert [record.event_log_entry for record in full.get_records_for_run(run_id).records] == [events[0], *batch]


KILLED = """
import os, pickle, signal, sys
from fti_assets.pipelines.check_events import report_by_partition
from fti_assets.pipelines.event_log import BatchingSqliteEventLogStorage

class Killed(BatchingSqliteEventLogStorage):
    def _index_checks(self, conn, events, event_ids, texts):
        super()._index_checks(conn, events, event_ids, texts)
        os.kill(os.getpid(), signal.SIGKILL)

first, batch = pickle.load(sys.stdin.buffer)
storage = Killed(sys.argv[1])
storage.store_event(first)
storage.store_event_batch(batch)
"""


def test_a_process_killed_within_a_batch_leaves_a_readable_log(tmp_path, runs):
    run_id, events = next(iter(runs.items()))
    batch = next(batch for batch in in_batches(events[1:]) if len(batch) > 1)

    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], input=pickle.dumps((events[0], batch)), check=False)

    assert killed.returncode == -signal.SIGKILL
    after = BatchingSqliteEventLogStorage(str(tmp_path))
    assert [record.event_log_entry for record in after.get_records_for_run(run_id).records] == events[:1]
    assert content(after, "asset_check_executions") == []
    after.store_event_batch(batch)
    assert len(after.get_records_for_run(run_id).records) == 1 + len(batch)


def test_dagster_hands_over_batches(make_instance, monkeypatch):
    sizes = []
    store = BatchingSqliteEventLogStorage.store_event_batch

    def counted(self, events):
        sizes.append(len(events))
        store(self, events)

    monkeypatch.setattr(BatchingSqliteEventLogStorage, "store_event_batch", counted)
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    run_twice(make_instance())

    assert max(sizes) >= len(RANGE)


def test_partitions_and_checks_read_back(instance):
    assert instance.get_materialized_partitions(WARMTH) == set(RANGE)
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(WARMTH, "usual"))
    assert record.status == FAILED
    history = [
        [
            found.status
            for found in instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(WARMTH, "usual"), limit=10, partition_filter=PartitionKeyFilter(key=day)
            )
        ]
        for day in RANGE
    ]
    # The second day was made twice.
    assert history == [[SUCCEEDED], [FAILED, FAILED], [SUCCEEDED], [SUCCEEDED]]
    assert instance.get_latest_materialization_event(WARMTH).asset_materialization.metadata["rows"].value == 3
