"""The lake: DuckLake, that is a catalogue in SQLite and Parquet files, reached through DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lock import writer_lock
from fti_assets.vocabulary import Window, quoted

Connector = Callable[[], AbstractContextManager[DuckDBPyConnection]]


@contextmanager
def in_memory_connection() -> Iterator[DuckDBPyConnection]:
    """A private DuckDB instance; nothing of it outlives the block."""
    connection = duckdb.connect(":memory:")
    try:
        yield connection
    finally:
        connection.close()


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
        """A connection in UTC with the lake attached as `lake`; with `snapshot`, as it was then and read-only."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.connector() as connection:
            _load_extensions(connection)
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET memory_limit = $limit", {"limit": self.memory_limit})
            connection.execute("SET temp_directory = $folder", {"folder": str(self.root / "tmp")})
            connection.execute("SET enable_progress_bar = false")
            connection.execute(self._attach(snapshot))
            yield connection

    def _attach(self, snapshot: int | None) -> str:
        catalog = _literal(f"ducklake:sqlite:{self.root.resolve() / 'catalog.sqlite'}")
        if snapshot is not None:
            return f"ATTACH {catalog} AS lake (SNAPSHOT_VERSION {int(snapshot)}, READ_ONLY)"
        return f"ATTACH {catalog} AS lake (DATA_PATH {_literal(str(self.root.resolve() / 'data'))})"

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


def table_exists(connection: DuckDBPyConnection, schema: str, name: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = $schema AND table_name = $name",
        {"schema": schema, "name": name},
    )
    return found.fetchone() is not None


def instant_literal(instant: datetime) -> str:
    """An instant as a SQL literal. Relations are made with literals: one with bound values is run at once and copied twice."""
    return f"TIMESTAMPTZ '{instant.isoformat()}'"


def within(time: str, window: Window) -> str:
    """The SQL condition that a row's time lies in the window; written so that files outside it are not read."""
    return f"{quoted(time)} >= {instant_literal(window.start)} AND {quoted(time)} < {instant_literal(window.end)}"


def _load_extensions(connection: DuckDBPyConnection) -> None:
    """Loads DuckLake and SQLite; the first time on a machine they are installed from their Python packages."""
    for extension in ("ducklake", "sqlite"):
        try:
            connection.load_extension(extension)
        except duckdb.IOException:
            from duckdb_extensions import import_extension

            import_extension(extension, con=connection)
            connection.load_extension(extension)


def _literal(text: str) -> str:
    """A SQL string literal, for the statements that take no bound values."""
    return "'" + text.replace("'", "''") + "'"
