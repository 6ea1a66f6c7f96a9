"""The feature store: the lake's tables and the stored training datasets behind one object. Needs no Dagster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.errors import not_found
from fti_assets.feature_store import publish as publishing
from fti_assets.feature_store import training_datasets
from fti_assets.feature_store.lake import Connector, Lake, current_snapshot, in_memory_connection, table_exists, within
from fti_assets.feature_store.point_in_time import complete
from fti_assets.feature_store.publish import Publication
from fti_assets.feature_store.schema import SQL_TYPES
from fti_assets.feature_store.training_datasets import Manifest
from fti_assets.vocabulary import (
    FeatureGroup,
    FeatureView,
    Monitor,
    Predictions,
    StagedTable,
    Table,
    TrainingDataset,
    Window,
    quoted,
)

Stored = FeatureGroup | StagedTable | Predictions | Monitor


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What the lake says of one of its tables."""

    schema: str
    name: str
    rows: int
    files: int
    bytes: int
    description: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features, staged data and predictions in a lake, and the training datasets cut from it.

    Attributes:
        root: folder of the stores; the lake is `root/lake`, datasets are in `root/training_datasets`.
    """

    root: Path
    connector: Connector = in_memory_connection
    lake: Lake = field(init=False)

    def __init__(self, root: Path | str, connector: Connector = in_memory_connection, *, memory_limit: str = "2GB") -> None:
        object.__setattr__(self, "root", Path(root))
        object.__setattr__(self, "connector", connector)
        object.__setattr__(self, "lake", Lake(Path(root) / "lake", connector, memory_limit))

    def connect(self, *, snapshot: int | None = None) -> AbstractContextManager[DuckDBPyConnection]:
        """A connection with the lake attached as `lake`; with `snapshot`, as it was then and read-only."""
        return self.lake.connect(snapshot=snapshot)

    @contextmanager
    def reading(self, snapshot: int | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection pinned to one snapshot, the newest unless given, so that several reads agree."""
        if snapshot is None:
            with self.connect() as connection:
                snapshot = current_snapshot(connection)
        with self.connect(snapshot=snapshot) as connection:
            yield connection

    def publish(self, target: Stored, rows: Any, window: Window | None = None, *, run: str = "") -> Publication:
        """Publishes `rows` in place of what `window` of the target held, atomically.

        Expectations are not checked here: a pipeline validates the draft before it publishes.

        Raises:
            PublishError: the rows do not fit; nothing was changed.
            LockedError: another writer did not finish in time.
        """
        with self.connect() as connection:
            publishing.draft(connection, target.table, rows, window)
            return self.publish_draft(connection, target, window, run=run)

    def draft(self, connection: DuckDBPyConnection, table: Table, rows: Any, window: Window | None) -> int:
        """See `fti_assets.feature_store.publish.draft`."""
        return publishing.draft(connection, table, rows, window)

    def publish_draft(self, connection: DuckDBPyConnection, target: Stored, window: Window | None, *, run: str = "") -> Publication:
        """Makes the draft of `connection` visible."""
        return publishing.publish(self.lake, connection, target.table, window, comment=describe(target), run=run)

    def append(self, connection: DuckDBPyConnection, table: Table, rows: Any, *, description: str, run: str = "") -> None:
        """Adds rows to a table that keeps history."""
        publishing.append(self.lake, connection, table, rows, comment={"description": description}, run=run)

    def exists(self, connection: DuckDBPyConnection, table: Table) -> bool:
        return table_exists(connection, table.schema, table.name)

    def read(self, connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> DuckDBPyRelation:
        """The rows of a table within `window`, or all; an unpublished table reads as an empty one."""
        if not self.exists(connection, table):
            columns = ", ".join(f"NULL::{SQL_TYPES[c.type]} AS {quoted(c.name)}" for c in table.columns)
            return connection.sql(f"SELECT {columns} WHERE false")
        columns = ", ".join(quoted(column.name) for column in table.columns)
        if window is None or table.time is None:
            return connection.sql(f"SELECT {columns} FROM {table.sql}")
        return connection.sql(f"SELECT {columns} FROM {table.sql} WHERE {within(table.time, window)}")

    def complete(self, connection: DuckDBPyConnection, spine: DuckDBPyRelation, view: FeatureView) -> DuckDBPyRelation:
        """The point-in-time join: see `fti_assets.feature_store.point_in_time.complete`."""
        return complete(connection, spine, view)

    def cut(
        self, dataset: TrainingDataset, cutoff: date, *, code_version: str, snapshot: int | None = None
    ) -> tuple[Path, Manifest]:
        """Cuts a training dataset, from the newest snapshot unless one is given."""
        with self.reading(snapshot) as connection:
            return training_datasets.cut(connection, dataset, cutoff, self.datasets_folder(dataset.name), code_version=code_version)

    def audit(self, folder: Path, view: FeatureView) -> dict[str, int]:
        """Rows of a stored dataset that break a promise, by promise: see `fti_assets.feature_store.training_datasets.audit`."""
        return training_datasets.audit(folder, view)

    def datasets_folder(self, name: str) -> Path:
        return self.root / "training_datasets" / name

    def dataset_names(self) -> list[str]:
        return sorted(path.name for path in (self.root / "training_datasets").glob("*") if path.is_dir())

    def datasets(self, name: str) -> list[tuple[Path, Manifest]]:
        """The stored versions of a dataset, oldest first."""
        return training_datasets.stored(self.datasets_folder(name))

    def dataset(self, name: str, dataset_id: str | None = None) -> tuple[Path, Manifest]:
        """One stored version of a dataset, the newest unless given.

        Raises:
            NotFoundError: there is none; the error names those that exist.
        """
        return training_datasets.find(self.datasets_folder(name), name, dataset_id)

    def tables(self, schema: str | None = None) -> list[TableInfo]:
        """The tables of the lake with their sizes and descriptions."""
        if not (self.lake.root / "catalog.sqlite").exists():
            return []
        with self.connect() as connection:
            rows = connection.execute(_TABLES, {"schema": schema}).fetchall()
            return [
                TableInfo(s, name, _count(connection, s, name), files or 0, size or 0, json.loads(text or "{}"))
                for s, name, files, size, text in rows
            ]

    def table(self, schema: str, name: str) -> TableInfo:
        """One table of the lake.

        Raises:
            NotFoundError: there is none of that name.
        """
        known = {info.name: info for info in self.tables(schema)}
        if name not in known:
            raise not_found("Table", name, known, where=f"'{schema}'", next_step="Materialise its asset to publish it.")
        return known[name]

    def history(self, table: str, limit: int = 20) -> list[tuple[int, datetime, str, dict[str, Any]]]:
        """Publications of a table (`features.x_v1`), newest first: snapshot, time, run and what was published."""
        with self.connect() as connection:
            rows = connection.execute(_HISTORY, {"table": table, "limit": limit}).fetchall()
        return [(snapshot, at, author, json.loads(note)) for snapshot, at, author, note in rows]

    def unpublished_days(self, connection: DuckDBPyConnection, table: Table, window: Window) -> list[str]:
        """The partitions of `window` that no publication of the table covers; emptiness that was published counts as covered."""
        if table.cadence is None:
            return [] if self.exists(connection, table) else ["as a whole"]
        windows = [json.loads(text) for (text,) in connection.execute(_WINDOWS, {"table": str(table)}).fetchall()]
        published = [Window(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in windows]
        days = {key: table.cadence.window(key).start for key in table.cadence.keys(window) if table.cadence.holds(key)}
        return [key for key, start in days.items() if not any(span.holds(start) for span in published)]


_WINDOWS = """
SELECT DISTINCT json_extract(commit_extra_info, '$.window')
FROM lake.snapshots()
WHERE json_extract_string(commit_extra_info, '$.table') = $table AND json_type(commit_extra_info, '$.window') = 'ARRAY'
"""

_TABLES = """
SELECT t.schema_name, t.table_name, i.file_count, i.file_size_bytes, t.comment
FROM duckdb_tables() AS t
LEFT JOIN ducklake_table_info('lake') AS i ON i.table_id = t.table_oid
WHERE t.database_name = 'lake' AND t.schema_name NOT LIKE '\\_\\_%' ESCAPE '\\' AND ($schema IS NULL OR t.schema_name = $schema)
ORDER BY t.schema_name, t.table_name
"""

_HISTORY = """
SELECT snapshot_id, snapshot_time, author, commit_extra_info
FROM lake.snapshots()
WHERE commit_extra_info IS NOT NULL AND json_extract_string(commit_extra_info, '$.table') = $table
ORDER BY snapshot_id DESC LIMIT $limit
"""


def _count(connection: DuckDBPyConnection, schema: str, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM lake.{quoted(schema)}.{quoted(name)}").fetchone()
    return int(row[0]) if row else 0


def describe(target: Stored) -> dict[str, Any]:
    """The contract of a table as plain data; it is stored with the table, so that readers need no code."""
    contract = target.contract
    text: dict[str, Any] = {
        "description": target.description,
        "owner": contract.owner,
        "key": list(target.table.key),
        "time": target.table.time,
        "columns": [asdict(column) for column in target.table.columns],
        "expectations": [{"name": e.name, "says": e.sentence, "severity": e.severity} for e in contract.expectations],
        "fresh_within": str(contract.fresh_within) if contract.fresh_within else None,
    }
    if isinstance(target, FeatureGroup):
        text |= {
            "group": target.name,
            "version": target.version,
            "entity": target.entity.name,
            "features": list(target.feature_names),
            "ttl": str(target.ttl) if target.ttl else None,
        }
    return text
