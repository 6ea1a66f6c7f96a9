"""The online store in a folder: LMDB, one file that is mapped into the memory of each process that reads it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.file_lock import held
from fti_assets.online_store.lmdb_environment import (
    LONGEST_KEY,
    PREFIX_LENGTH,
    ROOM,
    Environment,
    environment_of,
    explained,
    explanation,
)

_NAME, _LAST = b"\x00", b"\x00\x00"
"""Before the name of a table, under which its prefix is; and under which the last prefix that was given is."""
_FIRST_PREFIX = 1 << 24
"""Prefixes have four bytes, of which the first is not 0, so that they are apart from the names."""
_SEEN_FOR = 1.0
"""Seconds for which a file that was there is taken to be there still."""


class LmdbBackend:
    """Tables of bytes in one LMDB environment.

    All tables are in one B-tree, each under a prefix of its own: a reader needs no handle of a table, so it sees what another
    process has made since. Within a process all backends of one folder share an environment, as LMDB demands; it is closed when
    the last of them is. A process that is forked opens its own.
    """

    def __init__(self, folder: Path | str, *, wait: float = 60.0, durable: bool = True, room: int = ROOM) -> None:
        """Nothing is opened yet.

        Args:
            folder: made by the first writer.
            wait: seconds that a writer waits for another one.
            durable: whether a commit waits until the disk has it; without, a crash of the machine may damage the store.
            room: most bytes that the file may have.
        """
        self.folder = Path(folder).absolute()
        self._wait, self._durable, self._room = wait, durable, room
        self._environment: Environment | None = None
        self._look_again = 0.0

    def __str__(self) -> str:
        return str(self.folder)

    def reading(self) -> LmdbReading:
        """See `OnlineBackend.reading`. A folder that is not there reads as empty, and is not made."""
        return LmdbReading(self)

    @contextmanager
    def writing(self) -> Iterator[LmdbWriter]:
        """See `OnlineBackend.writing`."""
        self._make_folder()
        with held(self.folder / ".writer.lock", self._wait, f"online store '{self.folder}'"), explained(self.folder):
            environment = self._entered(self)
            try:
                environment.lmdb.reader_check()  # what dead readers were looking at is free again
                with environment.lmdb.begin(write=True) as transaction:
                    yield LmdbWriter(transaction)
            finally:
                environment.leave(self)

    def tables(self) -> list[str]:
        with self.reading() as reader:
            return reader.tables()

    def close(self) -> None:
        self._environment = None

    def entered(self, user: object) -> Environment | None:
        """The environment, opened if need be, in which `user` may have a transaction until it leaves; None where there is none."""
        now, known = time.monotonic(), self._environment
        if known is not None and now < self._look_again and known.enter(user):
            return known
        self._look_again = now + _SEEN_FOR
        if not (self.folder / "data.mdb").exists():
            self._environment = None
            return None
        return self._entered(user)

    def _entered(self, user: object) -> Environment:
        while True:
            opened = self._environment = environment_of(self.folder, self._room, durable=self._durable)
            if opened.enter(user):
                return opened

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OnlineStoreError(
                f"The folder '{self.folder}' of the online store cannot be made: {error.strerror}.",
                next_step="Name another one in FTI_ONLINE_STORE, or make room for this one.",
            ) from error


class LmdbReading:
    """A reading transaction of LMDB: a block that yields its reader. A class, since it is entered for every request."""

    __slots__ = ("_backend", "_environment", "_transaction")

    def __init__(self, backend: LmdbBackend) -> None:
        self._backend = backend
        self._environment: Environment | None = None
        self._transaction: Any = None

    def __enter__(self) -> LmdbReader:
        environment = self._environment = self._backend.entered(self)
        if environment is None:
            return LmdbReader(None, {})
        try:
            self._transaction = transaction = environment.lmdb.begin()
        except lmdb.Error as error:
            environment.leave(self)
            raise explanation(error, self._backend.folder) from error
        return LmdbReader(transaction, environment.prefixes(transaction.id()))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._environment is not None:
            self._transaction.abort()
            self._environment.leave(self)


class LmdbReader:
    """One state of all tables: a snapshot, whatever is written meanwhile."""

    __slots__ = ("_prefixes", "_transaction")

    def __init__(self, transaction: Any, prefixes: dict[str, bytes]) -> None:
        """Of a transaction, None where nothing is there, and what is known of the prefixes of tables as of its snapshot."""
        self._transaction, self._prefixes = transaction, prefixes

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        prefix = self._prefixes.get(table) or self._prefix(table)
        if not prefix:
            return [None] * len(keys)
        get = self._transaction.get
        return [get(prefix + key) if len(key) <= LONGEST_KEY else None for key in keys]

    def get_each(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        return [self.get_many(table, keys) for table, keys in wanted]

    def scan(self, table: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        prefix = self._prefix(table)
        if not prefix:
            return
        cursor = self._transaction.cursor()
        if not cursor.set_range(prefix + start[:LONGEST_KEY]):
            return
        stop = prefix + end  # lies before all other tables that come behind
        for key, value in cursor.iternext():
            if key >= stop:
                return
            yield key[PREFIX_LENGTH:], value

    def tables(self) -> list[str]:
        """The names of all tables."""
        if self._transaction is None:
            return []
        cursor = self._transaction.cursor()
        cursor.set_range(_NAME)
        keys = iter(cursor.iternext(values=False))
        names = []
        for key in keys:
            if key[:1] != _NAME:
                break
            if key != _LAST:
                names.append(key[1:].decode())
        return sorted(names)

    def _prefix(self, table: str) -> bytes:
        """The prefix of a table, empty where it is not there."""
        found = self._prefixes.get(table)
        if found is None:
            found = self._prefixes[table] = (self._transaction and self._transaction.get(_NAME + table.encode())) or b""
        return found


class LmdbWriter(LmdbReader):
    """A writing transaction of LMDB."""

    __slots__ = ()

    def __init__(self, transaction: Any) -> None:
        super().__init__(transaction, {})

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]], *, ordered: bool = False, ascending: bool = False) -> None:  # noqa: ARG002 - all are
        prefix = self._prefix(table) or self._make(table)
        cursor = self._transaction.cursor()
        last = ascending and not (cursor.last() and cursor.key()[:PREFIX_LENGTH] > prefix)
        given, added = cursor.putmulti(((prefix + key, value) for key, value in items), append=last)
        if last and added < given:
            raise OnlineStoreError(f"Keys of '{table}' were said to be in order and to lie behind all that are there; they do not.")

    def delete_many(self, table: str, keys: Iterable[bytes]) -> None:
        prefix = self._prefix(table)
        for key in keys if prefix else ():
            if len(key) <= LONGEST_KEY:
                self._transaction.delete(prefix + key)

    def drop(self, table: str) -> None:
        prefix = self._prefix(table)
        if not prefix:
            return
        cursor = self._transaction.cursor()
        there = cursor.set_range(prefix)
        while there and cursor.key()[:PREFIX_LENGTH] == prefix:
            there = cursor.delete()
        self._transaction.delete(_NAME + table.encode())
        self._prefixes[table] = b""

    def _make(self, table: str) -> bytes:
        last = self._transaction.get(_LAST)
        prefix = (int.from_bytes(last) + 1 if last else _FIRST_PREFIX).to_bytes(PREFIX_LENGTH)
        self._transaction.put(_LAST, prefix)
        self._transaction.put(_NAME + table.encode(), prefix)
        self._prefixes[table] = prefix
        return prefix
