"""Dagster's event log on SQLite, with batches written in one transaction.

Dagster hands the events of a range run over in batches (when `DAGSTER_EVENT_BATCH_SIZE` is set, as here), but its SQLite storage
writes each of them in three transactions of its own. A year of daily partitions of eight assets is 5,840 events: about a
minute of commits. Here a batch is two transactions that succeed or fail together: one for the run's own log, one for the
index over all runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from dagster import DagsterEventType, EventLogEntry
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

EVENT_BATCH_SIZE = "5000"


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log; a batch of one run's events costs two commits instead of three for each event.

    Chosen in `dagster.yaml` under `event_log_storage`, which switches Dagster's batches on in every process of the instance
    unless `DAGSTER_EVENT_BATCH_SIZE` is set already. What is stored is the same, row for row: a test compares the two.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch holds two databases open at once
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchingSqliteEventLogStorage:
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores `events` of one run, all or none; any other batch is stored event by event."""
        if not _is_one_runs_asset_events(events):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.index_transaction() as index:
            statement = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
            event_ids = list(index.execute(statement, rows).scalars())
            self._index_assets(index, events, event_ids)
            self._index_checks(index, events, event_ids, [row["event"] for row in rows])
            # Within the other transaction: Dagster stores the events of a batch that failed once more, one by one.
            with self.run_connection(events[0].run_id) as log:
                log.execute(SqlEventLogStorageTable.insert(), rows)

    def _index_assets(self, conn: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int]) -> None:
        indexed = [(event, id_) for event, id_ in zip(events, event_ids, strict=True) if event.dagster_event_type in ASSET_EVENTS]
        if not indexed:
            return
        self._store_asset_event_tags(conn, [event for event, _ in indexed], [id_ for _, id_ in indexed])
        # Each event overwrites its asset's entry: only the last one of each kind is seen afterwards.
        last = {(_asset(event), event.dagster_event_type): (event, id_) for event, id_ in indexed}
        for event, id_ in sorted(last.values(), key=lambda pair: pair[1]):
            self._store_asset_event(conn, event, id_)

    def _index_checks(
        self, conn: Connection, events: Sequence[EventLogEntry], event_ids: Sequence[int], texts: Sequence[str]
    ) -> None:
        table = AssetCheckExecutionsTable
        planned: list[dict[str, Any]] = []
        evaluated: dict[_CheckKey, dict[str, Any]] = {}
        for event, id_, text in zip(events, event_ids, texts, strict=True):
            if event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned += self._planned_rows(event, id_, text)
            elif event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
                row = self._evaluated_row(event, id_, text)
                evaluated[_check_key(row)] = row
        if planned:
            conn.execute(table.insert(), planned)
        if evaluated:
            # An evaluation takes the place of the row that planned it, and of an earlier evaluation by the same run.
            known = _rows_of_run(conn, events[0].run_id, evaluated)
            updated = [{**row, "row": known[key]} for key, row in evaluated.items() if key in known]
            added = [row for key, row in evaluated.items() if key not in known]
            if updated:
                conn.execute(table.update().where(table.c.id == sa.bindparam("row")), updated)
            if added:
                conn.execute(table.insert(), added)

    def _planned_rows(self, event: EventLogEntry, event_id: int, text: str) -> list[dict[str, Any]]:
        plan = event.get_dagster_event().asset_check_planned_data
        subset = plan.partitions_subset
        row = {
            "asset_key": plan.asset_key.to_string(),
            "check_name": plan.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": text,
            "evaluation_event_timestamp": _stamp(event),
            "evaluation_event_storage_id": event_id,
        }
        return [{**row, "partition": key} for key in (subset.get_partition_keys() if subset else [None])]

    def _evaluated_row(self, event: EventLogEntry, event_id: int, text: str) -> dict[str, Any]:
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        status = AssetCheckExecutionRecordStatus
        target = evaluation.target_materialization_data
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "partition": evaluation.partition,
            "run_id": event.run_id,
            "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
            "evaluation_event": text,
            "evaluation_event_timestamp": _stamp(event),
            "evaluation_event_storage_id": event_id,
            "materialization_event_storage_id": target.storage_id if target else None,
        }


_CheckKey = tuple[str, str, str | None]


def _check_key(row: Mapping[str, Any]) -> _CheckKey:
    return row["asset_key"], row["check_name"], row["partition"]


def _rows_of_run(conn: Connection, run_id: str, keys: Collection[_CheckKey]) -> dict[_CheckKey, int]:
    """The rows that a run has for its checks already; looked up by the table's index."""
    table = AssetCheckExecutionsTable
    found = conn.execute(
        sa.select(table.c.asset_key, table.c.check_name, table.c.partition, table.c.id).where(
            table.c.asset_key.in_({key for key, _, _ in keys}),
            table.c.check_name.in_({name for _, name, _ in keys}),
            table.c.run_id == run_id,
        )
    )
    return {(key, name, partition): id_ for key, name, partition, id_ in found}


def _stamp(event: EventLogEntry) -> datetime:
    return datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None)


def _asset(event: EventLogEntry) -> str:
    key = event.get_dagster_event().asset_key
    return key.to_string() if key else ""


def _is_one_runs_asset_events(events: Sequence[EventLogEntry]) -> bool:
    """Whether the batch is what is written in bulk: asset and asset check events of a single run."""
    return len({event.run_id for event in events}) == 1 and all(
        event.run_id and event.dagster_event_type in ASSET_EVENTS | ASSET_CHECK_EVENTS for event in events
    )
