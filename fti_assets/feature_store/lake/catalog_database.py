"""The database that holds a lake's catalogue: a SQLite file, unless a PostgreSQL database is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError
from fti_assets.feature_store.errors import AddressError
from fti_assets.feature_store.lake.lock import FileWriterLock, WriterLock

if TYPE_CHECKING:
    from fti_assets.feature_store.lake.postgres_catalog import PostgresCatalog

_PATIENCE = 30_000  # milliseconds that SQLite waits for the moment of another process's commit

CatalogKind = Literal["sqlite", "postgres"]


class CatalogDatabase(Protocol):
    """Where DuckLake keeps which snapshots, tables and files there are. As text it shows no password.

    Attributes:
        kind: which database it is.
        extensions: those of DuckDB that reach it.
        schema: of the catalogue's tables in the database.
    """

    kind: ClassVar[CatalogKind]
    extensions: ClassVar[tuple[str, ...]]

    @property
    def schema(self) -> str: ...

    @property
    def is_there(self) -> bool:
        """Whether a lake was ever made in it.

        Raises:
            UnreachableError: the database does not answer.
        """

    @property
    def lock(self) -> WriterLock:
        """The right to write to the lake."""

    @property
    def address(self) -> str:
        """What DuckDB attaches, after `ducklake:`; without a password."""

    def prepare(self, connection: DuckDBPyConnection) -> None:
        """Gives `connection` what it needs to reach the database: its secret."""

    def options(self, *, read_only: bool) -> Mapping[str, str | int]:
        """Options of ATTACH."""

    def explain(self, error: duckdb.Error) -> FtiError | None:
        """What an error of DuckDB comes from, where it comes from reaching this database."""


@dataclass(frozen=True, slots=True)
class SqliteCatalog:
    """A catalogue in the file `catalog.sqlite` of the lake's folder."""

    kind: ClassVar[CatalogKind] = "sqlite"
    extensions: ClassVar[tuple[str, ...]] = ("sqlite",)

    folder: Path

    def __str__(self) -> str:
        return f"'{self.folder}'"

    @property
    def schema(self) -> str:
        return "main"

    @property
    def file(self) -> Path:
        return self.folder.resolve() / "catalog.sqlite"

    @property
    def is_there(self) -> bool:
        return self.file.exists()

    @property
    def lock(self) -> WriterLock:
        return FileWriterLock(self.folder)

    @property
    def address(self) -> str:
        return f"sqlite:{self.file}"

    def prepare(self, connection: DuckDBPyConnection) -> None:
        """A file has no secret."""

    def options(self, *, read_only: bool) -> Mapping[str, str | int]:
        # Without a write-ahead log a reader that has not fetched its last row yet stops every commit.
        journal: dict[str, str | int] = {} if read_only else {"META_JOURNAL_MODE": "WAL"}
        return {"META_BUSY_TIMEOUT": _PATIENCE, **journal}

    def explain(self, error: duckdb.Error) -> FtiError | None:  # noqa: ARG002  what DuckDB says of a file is clear
        return None


def catalog_at(address: str | None, folder: Path) -> SqliteCatalog | PostgresCatalog:
    """The catalogue at an address, by default in SQLite in the lake's folder.

    Raises:
        AddressError: it is not written as an address of a catalogue.
        MissingExtraError: it is in PostgreSQL, and the extra `postgres` is not installed.
    """
    if address is None:
        return SqliteCatalog(folder)
    kind, colon, rest = address.partition(":")
    if kind == "postgres" and not rest.startswith("//"):
        from fti_assets.feature_store.lake.postgres_catalog import PostgresCatalog

        return PostgresCatalog.at(rest)
    if kind in ("postgres", "postgresql"):
        hint = "A connection URI is written after 'postgres:', thus 'postgres:postgresql://...'."
    else:
        hint = f"It begins with '{kind}:'." if colon and kind.isidentifier() else "It names no kind of database."
    raise AddressError(
        f"The address of the lake's catalogue is not one. {hint}",
        next_step="Write catalog='postgres:host=... dbname=... user=...' or 'postgres:postgresql://user@host/dbname';"
        " leave it out for SQLite in the lake's folder.",
    )
