"""Reading the online store in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fti_assets.online_store.redis_client import explained

if TYPE_CHECKING:
    from redis import Redis

TABLES = "fti:online:tables"
"""A hash of what tables there are: by name whether their keys are in order too."""
LOCK = "fti:online:lock"
LAST = "fti:online:last"
"""The token of the last transaction that was committed."""
_AT_ONCE = 4000
"""Keys of one call of a script; Lua takes no more than some thousands of arguments."""
_SCAN = """
local keys = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
return {keys, #keys == 0 and keys or redis.call('HMGET', KEYS[2], unpack(keys))}
"""


def values_of(table: str) -> str:
    """The key of a table's hash."""
    return f"fti:online:values:{table}"


def keys_of(table: str) -> str:
    """The key of the sorted set of a table's keys."""
    return f"fti:online:keys:{table}"


class RedisReader:
    """Reads tables; each call sees one state of all of them."""

    def __init__(self, client: Redis, where: str) -> None:
        self._client, self._where = client, where

    def get_many(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        return self.get_each([(table, keys)])[0]

    def get_each(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        some = [(table, keys) for table, keys in wanted if keys]
        with explained(self._where):
            if len(some) <= 1:
                found = iter([self._client.hmget(values_of(table), keys) for table, keys in some])
            else:
                pipe = self._client.pipeline(transaction=True)
                for table, keys in some:
                    pipe.hmget(values_of(table), keys)
                found = iter(pipe.execute())
        return [list(next(found)) if keys else [] for _, keys in wanted]

    def scan(self, table: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._scanned(keys_of(table), values_of(table), start, end)

    def _scanned(self, keys: str, values: str, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        first = b"[" + start
        while True:
            with explained(self._where):
                found = self._client.eval(_SCAN, 2, keys, values, first, b"(" + end, _AT_ONCE)
            yield from ((key, value) for key, value in zip(*found, strict=True) if value is not None)
            if len(found[0]) < _AT_ONCE:
                return
            first = b"(" + found[0][-1]
