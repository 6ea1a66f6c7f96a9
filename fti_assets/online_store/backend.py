"""What an online store is kept in: tables of bytes by bytes, read consistently, written by one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Reader(Protocol):
    """One consistent state of all tables, as long as its block lasts."""

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of some keys, in their order; None for a key that is not there, and for all where the table is not."""
        ...

    def get_each(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        """For each of several tables, given with keys, the values of these: all of one state, in one round trip."""
        ...

    def scan(self, table: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values with `start <= key < end`, in the order of the keys. The table was written with `ordered=True`."""
        ...


class Writer(Reader, Protocol):
    """A transaction: what is read are its own writes too; visible to others, as a whole, when its block ends without an error."""

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]], *, ordered: bool = False, ascending: bool = False) -> None:
        """Puts values under keys, in place of what was there.

        Args:
            table: is made when it is not there.
            items: keys and values.
            ordered: whether the table can be scanned; the same for every write to one table.
            ascending: whether the keys come in order and lie behind all that are there, which is quicker.
        """
        ...

    def delete_many(self, table: str, keys: Iterable[bytes]) -> None:
        """Removes keys; one that is not there is no error."""
        ...

    def drop(self, table: str) -> None:
        """Removes a table; one that is not there is no error."""
        ...


class OnlineBackend(Protocol):
    """Where the tables are."""

    def reading(self) -> AbstractContextManager[Reader]:
        """One state of all tables; never waits for writers. What was never written reads as empty.

        Raises:
            OnlineStoreError: the place cannot be reached.
        """
        ...

    def writing(self) -> AbstractContextManager[Writer]:
        """A transaction; waits for another writer's. If its block raises, nothing is changed.

        Raises:
            OnlineStoreError: the place cannot be reached or is full, or another writer did not finish in time.
        """
        ...

    def tables(self) -> list[str]:
        """The names of all tables."""
        ...

    def close(self) -> None:
        """Gives back what is open. A closed store opens again when it is used."""
        ...
