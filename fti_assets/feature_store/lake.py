"""The lake: DuckLake, that is a catalogue in SQLite and Parquet files, reached through DuckDB."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.errors import NotFoundError
from fti_assets.feature_store.lock import writer_lock
from fti_assets.vocabulary import Table, Window, quoted

_CATALOG_PATIENCE = 30_000  # milliseconds that SQLite waits for the moment of another process's commit

Connector = Callable[[], AbstractContextManager[DuckDBPyConnection]]


class ConnectionPool:
    """Private DuckDB instances that are used again: loading their extensions takes most of what a small job takes.

    Connections that are open at the same time have different instances, so each may attach its own lake.

    Args:
        open_instance: opens a new instance when none is idle.
    """

    def __init__(self, open_instance: Callable[[], DuckDBPyConnection]) -> None:
        self._open_instance = open_instance
        self._idle: list[tuple[int, DuckDBPyConnection]] = []

    @contextmanager
    def connection(self) -> Iterator[DuckDBPyConnection]:
        """A connection whose temporary tables, views and attached lake are gone when the block ends."""
        instance = self._take()
        connection = instance.cursor()
        try:
            yield connection
        finally:
            connection.close()
            instance.execute("DETACH DATABASE IF EXISTS lake")
            self._idle.append((os.getpid(), instance))

    def _take(self) -> DuckDBPyConnection:
        while self._idle:
            process, instance = self._idle.pop()
            if process == os.getpid():  # one from before a fork has no threads here
                return instance
        return self._open_instance()


def _open_in_memory() -> DuckDBPyConnection:
    return duckdb.connect(":memory:")


in_memory_connection: Connector = ConnectionPool(_open_in_memory).connection
"""Connections to private DuckDB instances of this process."""


@dataclass(frozen=True, slots=True)
class Lake:
    """Connects to the lake in the folder `root`; the folder is made by the first connection.

    Attributes:
        root: holds `catalog.sqlite` and the Parquet files under `data/`.
        connector: where connections come from; Dagster gives the one of its DuckDB resource.
        memory_limit: of each connection, as DuckDB writes it; what exceeds it goes to disk.
        lock_timeout: seconds that a writer waits for another one.
    """

    root: Path
    connector: Connector = in_memory_connection
    memory_limit: str = "2GB"
    lock_timeout: float = 300.0

    @contextmanager
    def connect(self, *, snapshot: int | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection in UTC with the lake attached as `lake`; with `snapshot`, as it was then and read-only.

        Raises:
            NotFoundError: there is no such snapshot.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self.connector() as connection:
            _load_extensions(connection)
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET memory_limit = $limit", {"limit": self.memory_limit})
            connection.execute("SET temp_directory = $folder", {"folder": str(self.root / "tmp")})
            connection.execute("SET enable_progress_bar = false")
            self._attach(connection, snapshot)
            yield connection

    @property
    def is_there(self) -> bool:
        """Whether anything was ever written to it."""
        return self._catalog.exists()

    @property
    def _catalog(self) -> Path:
        return self.root.resolve() / "catalog.sqlite"

    def _attach(self, connection: DuckDBPyConnection, snapshot: int | None) -> None:
        # The path is stored in the catalogue; it is overridden, so that a lake may be moved with its folder.
        path = f"DATA_PATH {literal(str(self.root.resolve() / 'data'))}, OVERRIDE_DATA_PATH true"
        options = f"{path}, META_BUSY_TIMEOUT {_CATALOG_PATIENCE}"
        catalog = literal(f"ducklake:sqlite:{self._catalog}")
        if snapshot is None:
            # Without a write-ahead log a reader that has not fetched its last row yet stops every commit.
            attach = f"ATTACH {catalog} AS lake ({options}, META_JOURNAL_MODE 'WAL')"
            with nullcontext() if self.is_there else writer_lock(self.root, purpose="creating it", timeout=self.lock_timeout):
                connection.execute(attach)
            return
        if not self.is_there:
            raise NotFoundError(f"There is no snapshot {snapshot}: nothing was ever published into '{self.root}'.")
        try:
            connection.execute(f"ATTACH {catalog} AS lake ({options}, SNAPSHOT_VERSION {int(snapshot)}, READ_ONLY)")
        except duckdb.InvalidInputException as error:
            raise NotFoundError(
                f"There is no snapshot {snapshot} in the lake '{self.root}'.",
                next_step="It is still to come, or has expired; leave it out to take the newest.",
            ) from error

    @contextmanager
    def writing(self, connection: DuckDBPyConnection, purpose: str) -> Iterator[None]:
        """A transaction under the writer lock: committed when the block ends, rolled back when it raises."""
        with writer_lock(self.root, purpose=purpose, timeout=self.lock_timeout):
            connection.begin()
            try:
                yield
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def current_snapshot(connection: DuckDBPyConnection) -> int:
    """Number of the snapshot that the connection reads."""
    row = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
    assert row is not None  # a lake has a first snapshot
    return int(row[0])


def last_committed_snapshot(connection: DuckDBPyConnection) -> int:
    """Number of the snapshot that the connection's last commit made, whatever others have committed since."""
    row = connection.execute("SELECT id FROM lake.last_committed_snapshot()").fetchone()
    assert row is not None
    return int(row[0])


def table_exists(connection: DuckDBPyConnection, table: Table) -> bool:
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = $schema AND table_name = $name",
        {"schema": table.schema, "name": table.name},
    )
    return found.fetchone() is not None


def instant_literal(instant: datetime) -> str:
    """An instant as a SQL literal. Relations are made with literals: one with bound values is run at once and copied twice."""
    return f"TIMESTAMPTZ '{instant.isoformat()}'"


def within(time: str, window: Window) -> str:
    """The SQL condition that a row's time lies in the window; written so that files outside it are not read."""
    return f"{quoted(time)} >= {instant_literal(window.start)} AND {quoted(time)} < {instant_literal(window.end)}"


def literal(text: str) -> str:
    """A SQL string literal, for the statements that take no bound values."""
    return "'" + text.replace("'", "''") + "'"


def _load_extensions(connection: DuckDBPyConnection) -> None:
    """Loads DuckLake and SQLite; the first time on a machine they are installed from their Python packages."""
    for extension in ("ducklake", "sqlite"):
        try:
            connection.load_extension(extension)
        except duckdb.IOException:
            from duckdb_extensions import import_extension

            import_extension(extension, con=connection)
            connection.load_extension(extension)
