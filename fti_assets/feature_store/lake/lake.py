"""The lake: DuckLake, that is a catalogue in a database and Parquet files, reached through DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.errors import NotFoundError
from fti_assets.feature_store.errors import AddressError, DiskFullError
from fti_assets.feature_store.lake.catalog_database import CatalogDatabase, catalog_at
from fti_assets.feature_store.lake.connections import Connector, in_memory_connection
from fti_assets.feature_store.lake.data_files import DataFiles, files_at
from fti_assets.feature_store.lake.extensions import load_extensions
from fti_assets.feature_store.lake.lock import StillHeld
from fti_assets.vocabulary import Table, Window, quoted


@dataclass(frozen=True, slots=True)
class Lake:
    """Connects to a lake: a catalogue in SQLite or PostgreSQL, and Parquet files in a folder or a bucket.

    Attributes:
        root: folder of the lake. It holds `catalog.sqlite` and `data/`, unless catalogue and files are elsewhere, and what
            does not fit into memory; the first connection makes it.
        connector: where connections come from; Dagster gives the one of its DuckDB resource. Once its block ends, nobody else
            may find the attached lake and its secrets in a connection.
        memory_limit: of each connection, as DuckDB writes it; what exceeds it goes to disk.
        lock_timeout: seconds that a writer waits for another one.
        catalog: the database of the catalogue.
        data: the place of the files.
    """

    root: Path
    connector: Connector
    memory_limit: str
    lock_timeout: float
    catalog: CatalogDatabase
    data: DataFiles

    def __init__(
        self,
        root: Path,
        connector: Connector = in_memory_connection,
        memory_limit: str = "2GB",
        lock_timeout: float = 300.0,
        *,
        catalog: str | None = None,
        data: str | None = None,
    ) -> None:
        """Reads the addresses; nothing is connected yet.

        The catalogue is at `postgres:host=... dbname=...` or `postgres:postgresql://...`, or in SQLite in `root`; the files are
        at `s3://bucket/prefix`, or in `root/data`.

        Raises:
            AddressError: one of them is not written as an address.
            MissingExtraError: one of them needs an extra that is not installed.
        """
        values = {
            "root": root,
            "connector": connector,
            "memory_limit": memory_limit,
            "lock_timeout": lock_timeout,
            "catalog": catalog_at(catalog, root),
            "data": files_at(data, root),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @contextmanager
    def connect(self, *, snapshot: int | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection in UTC with the lake attached as `lake`; with `snapshot`, as it was then and read-only.

        Raises:
            NotFoundError: there is no such snapshot.
            UnreachableError: catalogue or files cannot be reached, or refuse access; also later, while the connection is used.
            AddressError: the lake keeps its files elsewhere.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self.connector() as connection, self._explaining():
            load_extensions(connection, ("ducklake", *self.catalog.extensions, *self.data.extensions))
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET memory_limit = {literal(self.memory_limit)}")  # a bound value makes DuckDB load pandas
            connection.execute("SET enable_progress_bar = false")
            _spill_into(connection, self.root / "tmp")
            self.catalog.prepare(connection)
            self.data.prepare(connection)
            self._attach(connection, snapshot)
            yield connection

    @property
    def is_there(self) -> bool:
        """Whether anything was ever written to it."""
        return self.catalog.is_there

    @property
    def data_path(self) -> str:
        """Where the Parquet files are: an absolute folder, or `s3://bucket/prefix`; without a slash at the end."""
        return self.data.path

    @property
    def is_local(self) -> bool:
        """Whether catalogue and files are all in the folder `root`, so that it can be copied as a whole."""
        return self.catalog.kind == "sqlite" and self.data.kind == "folder"

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """An error that comes from reaching catalogue or files says so."""
        try:
            yield
        except duckdb.Error as error:
            explained = self.catalog.explain(error) or self.data.explain(error) or self._explain_full(error)
            if explained is None:
                raise
            raise explained from error

    def _explain_full(self, error: duckdb.Error) -> DiskFullError | None:
        """How SQLite, the system and DuckDB (of its temporary files) say that a disk is full."""
        words = ("disk is full", "No space left on device", "max_temp_directory_size")
        if not any(word in str(error) for word in words):
            return None
        return DiskFullError(
            f"The disk of the lake '{self.root}', or of its files in '{self.data_path}', is full; what was begun was undone.",
            next_step="Make room, and do it again. `fti lake maintain` tells first what it would free.",
        )

    def _attach(self, connection: DuckDBPyConnection, snapshot: int | None) -> None:
        if snapshot is not None:
            self._attach_snapshot(connection, snapshot)
        elif not self._attach_existing(connection):
            with self.catalog.lock.hold("creating it", timeout=self.lock_timeout):
                self.data.check(connection)
                self._execute_attach(connection)

    def _attach_existing(self, connection: DuckDBPyConnection) -> bool:
        """Whether there is a lake; it is attached."""
        if self.catalog.kind == "sqlite" and not self.is_there:  # a server is not asked first, since that costs a round trip
            return False
        try:
            self._execute_attach(connection, "CREATE_IF_NOT_EXISTS false")
        except duckdb.InvalidInputException:  # there is none yet, or, seldom, one that cannot be opened: said when it is created
            return False
        return True

    def _attach_snapshot(self, connection: DuckDBPyConnection, snapshot: int) -> None:
        try:
            self._execute_attach(connection, f"SNAPSHOT_VERSION {int(snapshot)}", "READ_ONLY")
        except duckdb.Error as error:
            if not self.is_there:
                raise NotFoundError(f"There is no snapshot {snapshot}: nothing was ever published into {self.catalog}.") from error
            if "No snapshot found" not in str(error):
                raise
            raise NotFoundError(
                f"There is no snapshot {snapshot} in the lake {self.catalog}.",
                next_step="It is still to come, or has expired; leave it out to take the newest.",
            ) from error

    def _execute_attach(self, connection: DuckDBPyConnection, *flags: str) -> None:
        options = self.catalog.options(read_only="READ_ONLY" in flags)
        given = [f"{name} {literal(value) if isinstance(value, str) else value}" for name, value in options.items()]
        # The path of the files is stored in the catalogue; it is overridden where they move with their folder.
        moves = ["OVERRIDE_DATA_PATH true"] if self.is_local else []
        # Small writes go to files as well: rows and deletions kept in the catalogue reappeared in old snapshots after maintenance
        # (ducklake 1406, 1084, 1215, 1329). The tables of what was published, which are only added to, have a limit of their own.
        fixed = [f"DATA_PATH {literal(self.data_path)}", "DATA_INLINING_ROW_LIMIT 0"]
        every = ", ".join([*fixed, *moves, *given, *flags])
        try:
            connection.execute(f"ATTACH {literal(f'ducklake:{self.catalog.address}')} AS lake ({every})")
        except duckdb.Error as error:
            if "does not match existing data path" not in str(error):
                raise
            raise AddressError(
                f"The lake {self.catalog} has its files elsewhere: {str(error).splitlines()[0].rstrip('.')}.",
                next_step="Give data=... as it was when the lake was made.",
            ) from error

    @contextmanager
    def locked(self, purpose: str) -> Iterator[StillHeld]:
        """The writer lock, for work that is no single transaction. What it yields raises if the lock was lost meanwhile.

        Raises:
            LockedError: another writer did not finish in time; the error names it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with self.catalog.lock.hold(purpose, timeout=self.lock_timeout) as still_held:
            yield still_held

    @contextmanager
    def writing(self, connection: DuckDBPyConnection, purpose: str) -> Iterator[None]:
        """A transaction under the writer lock: committed when the block ends, rolled back when it raises.

        Raises:
            LockedError: another writer did not finish in time, or the lock was lost; nothing was changed.
        """
        with self.locked(purpose) as still_held:
            connection.begin()
            try:
                yield
                still_held()
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


@contextmanager
def cursor(connection: DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    """A second connection to the same lake, in UTC as the first: settings of a connection are not those of its cursors."""
    with connection.cursor() as own:
        own.execute("SET TimeZone = 'UTC'")
        yield own


def _spill_into(connection: DuckDBPyConnection, folder: Path) -> None:
    try:
        connection.execute("SET temp_directory = $folder", {"folder": str(folder)})
    except duckdb.NotImplementedException:
        # A pooled instance that went to disk for another lake of this process goes on using its folder.
        row = connection.execute("SELECT current_setting('temp_directory')").fetchone()
        assert row is not None
        Path(row[0]).mkdir(parents=True, exist_ok=True)


def current_snapshot(connection: DuckDBPyConnection) -> int:
    """Number of the snapshot that the connection reads."""
    row = connection.execute("SELECT id FROM lake.current_snapshot()").fetchone()
    assert row is not None  # a lake has a first snapshot
    return int(row[0])


def newest_snapshot(connection: DuckDBPyConnection) -> int:
    """Number of the lake's newest snapshot. Asked of the catalogue: the lake itself would look at all of its tables first."""
    row = connection.execute("SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot").fetchone()
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
