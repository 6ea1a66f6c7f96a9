"""Writing the online store in Redis: what is written becomes visible in one MULTI, if the lock is still held then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from fti_assets.online_store.errors import OnlineLockedError, OnlineStoreError
from fti_assets.online_store.redis_client import explained
from fti_assets.online_store.redis_reading import LAST, LOCK, TABLES, RedisReader, keys_of, values_of

if TYPE_CHECKING:
    from redis import Redis

_AT_ONCE = 1000
"""Rows of one command."""
_ORDERED, _PLAIN = b"ordered", b"plain"
_STAGED_FOR = 3600
"""Seconds after which what a writer that died had laid aside is gone."""


class RedisWriter(RedisReader):
    """A transaction.

    Rows of a table that is not there, or is being replaced, are laid aside at once and renamed in the end: so a table of any size
    becomes visible without the server standing still. Changes of other tables are collected here.
    """

    def __init__(self, client: Redis, where: str, token: bytes) -> None:
        super().__init__(client, where)
        self._token = token
        self._changes: dict[str, dict[bytes, bytes | None]] = {}
        self._kinds: dict[str, bytes | None] = {}
        self._dropped: set[str] = set()
        self._aside: dict[str, bytes] = {}

    def get_each(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        if not (self._changes or self._dropped or self._aside):
            return super().get_each(wanted)
        return [self.get_many(table, keys) for table, keys in wanted]

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        if table in self._aside:
            with explained(self._where):
                return list(self._client.hmget(self._values_aside(table), keys)) if keys else []
        if table in self._dropped:
            return [None] * len(keys)
        changes = self._changes.get(table, {})
        asked = [key for key in keys if key not in changes]
        found: dict[bytes, bytes | None] = {}
        for some in _portions(asked):  # nobody else writes meanwhile
            found.update(zip(some, super().get_each([(table, some)])[0], strict=True))
        return [changes[key] if key in changes else found[key] for key in keys]

    def scan(self, table: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        if table in self._aside:
            return self._scanned(self._keys_aside(table), self._values_aside(table), start, end)
        changes = {key: value for key, value in self._changes.get(table, {}).items() if start <= key < end}
        if not changes:
            return iter(()) if table in self._dropped else super().scan(table, start, end)
        merged = dict(super().scan(table, start, end)) | changes
        return ((key, value) for key, value in sorted(merged.items()) if value is not None)

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]], *, ordered: bool = False, ascending: bool = False) -> None:  # noqa: ARG002
        kind = _ORDERED if ordered else _PLAIN
        if table not in self._aside and (table in self._dropped or self._kind(table) is None):
            self._aside[table] = kind
        if table in self._aside:
            self._lay_aside(table, items)
        else:
            self._changes.setdefault(table, {}).update(items)

    def delete_many(self, table: str, keys: Iterable[bytes]) -> None:
        if table in self._aside:
            for some in _portions(keys):
                with explained(self._where):
                    pipe = self._client.pipeline(transaction=False)
                    pipe.hdel(self._values_aside(table), *some)
                    pipe.zrem(self._keys_aside(table), *some)
                    pipe.execute()
        elif table not in self._dropped and self._kind(table) is not None:
            self._changes.setdefault(table, {}).update(dict.fromkeys(keys))

    def drop(self, table: str) -> None:
        self._changes.pop(table, None)
        if self._aside.pop(table, None):
            with explained(self._where):
                self._client.unlink(self._values_aside(table), self._keys_aside(table))
        self._dropped.add(table)

    def undo(self) -> None:
        """Removes what was laid aside; nothing else was done."""
        keys = [key for table in self._aside for key in (self._values_aside(table), self._keys_aside(table))]
        with suppress(OnlineStoreError), explained(self._where):  # it expires
            if keys:
                self._client.unlink(*keys)

    def commit(self) -> None:
        """Makes all of it visible, and gives the lock back.

        Raises:
            OnlineLockedError: the lock was lost meanwhile; nothing was changed.
        """
        if not (self._changes or self._dropped or self._aside):
            return
        try:
            with self._client.pipeline(transaction=True) as pipe:
                self._commit(pipe)
        except Exception:
            self.undo()
            raise

    def _commit(self, pipe: Any) -> None:
        from redis import WatchError

        there = [key for table in self._aside for key in (self._values_aside(table), self._keys_aside(table))]
        pipe.watch(LOCK)
        is_held = pipe.get(LOCK) == self._token
        existing = [key for key in there if pipe.exists(key)]
        pipe.multi()
        self._queue(pipe, existing)
        pipe.set(LAST, self._token)
        pipe.delete(LOCK)
        try:
            if is_held:
                pipe.execute()
                return
        except WatchError:  # or the answer was lost on the way
            if self._client.get(LAST) == self._token:
                return
        raise OnlineLockedError(
            "The lock of the online store was lost while it was being written; nothing was changed.", next_step="Do it again."
        )

    def _queue(self, pipe: Any, aside: Sequence[str]) -> None:
        for table in self._dropped:
            pipe.unlink(values_of(table), keys_of(table))
            pipe.hdel(TABLES, table)
        for table, kind in self._aside.items():
            for key, name in ((self._values_aside(table), values_of(table)), (self._keys_aside(table), keys_of(table))):
                if key in aside:
                    pipe.persist(key)
                    pipe.rename(key, name)
            pipe.hset(TABLES, table, kind)
        for table, changes in self._changes.items():
            for some in _portions(changes.items()):
                _queue_changes(pipe, table, some, is_ordered=self._kind(table) == _ORDERED)

    def _lay_aside(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        values, keys = self._values_aside(table), self._keys_aside(table)
        for some in _portions(items):
            with explained(self._where):
                pipe = self._client.pipeline(transaction=False)
                pipe.hset(values, mapping=dict(some))
                pipe.expire(values, _STAGED_FOR)
                if self._aside[table] == _ORDERED:
                    pipe.zadd(keys, {key: 0 for key, _ in some})
                    pipe.expire(keys, _STAGED_FOR)
                pipe.execute()

    def _kind(self, table: str) -> bytes | None:
        """Whether a table's keys are in order too; None where it is not there. Nobody else changes that meanwhile."""
        if table not in self._kinds:
            with explained(self._where):
                self._kinds[table] = self._client.hget(TABLES, table)
        return self._kinds[table]

    def _values_aside(self, table: str) -> str:
        return f"fti:online:aside:{self._token.decode()}:values:{table}"

    def _keys_aside(self, table: str) -> str:
        return f"fti:online:aside:{self._token.decode()}:keys:{table}"


def _queue_changes(pipe: Any, table: str, some: Sequence[tuple[bytes, bytes | None]], *, is_ordered: bool) -> None:
    put = {key: value for key, value in some if value is not None}
    gone = [key for key, value in some if value is None]
    if put:
        pipe.hset(values_of(table), mapping=put)
        if is_ordered:
            pipe.zadd(keys_of(table), dict.fromkeys(put, 0))
    if gone:
        pipe.hdel(values_of(table), *gone)
        if is_ordered:
            pipe.zrem(keys_of(table), *gone)


def _portions(items: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(items)
    while some := list(islice(left, _AT_ONCE)):
        yield some
