"""The online store in Redis: a hash for each table and, where its keys are scanned in order, a sorted set of them beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fti_assets.online_store.redis_client import explained, opened, place
from fti_assets.online_store.redis_lock import RedisLock
from fti_assets.online_store.redis_reading import LOCK, TABLES, RedisReader
from fti_assets.online_store.redis_writing import RedisWriter


class RedisBackend:
    """Tables of bytes in one database of a Redis server, under keys that begin with `fti:online:`.

    Each call of a reader sees one state of all tables, and each transaction is seen as a whole; two calls may see two states.
    How durable a commit is, the server's settings decide. It must not evict keys (`maxmemory-policy noeviction`).
    """

    def __init__(self, address: str, *, wait: float = 60.0, lock_lasts: float = 5.0) -> None:
        """Nothing is connected yet.

        Args:
            address: `redis://host:port/db`, `rediss://...` with TLS, or `unix://path`; the password is taken from
                `FTI_ONLINE_STORE_PASSWORD` where that is set.
            wait: seconds that a writer waits for another one.
            lock_lasts: seconds after which the lock of a writer that died is free.

        Raises:
            OnlineStoreError: the address is not written as one, or Redis' client is not installed.
        """
        self._client = opened(address)
        self._place = place(address)
        self._wait, self._lock_lasts = wait, lock_lasts

    def __str__(self) -> str:
        return self._place

    @contextmanager
    def reading(self) -> Iterator[RedisReader]:
        """See `OnlineBackend.reading`."""
        yield RedisReader(self._client, self._place)

    @contextmanager
    def writing(self) -> Iterator[RedisWriter]:
        """See `OnlineBackend.writing`."""
        lock = RedisLock(self._client, LOCK, self._lock_lasts)
        with explained(self._place), lock.held(self._wait, f"online store {self._place}"):
            writer = RedisWriter(self._client, self._place, lock.token)
            try:
                yield writer
            except BaseException:
                writer.undo()
                raise
            writer.commit()

    def tables(self) -> list[str]:
        with explained(self._place):
            return sorted(name.decode() for name in self._client.hkeys(TABLES))

    def close(self) -> None:
        self._client.close()
