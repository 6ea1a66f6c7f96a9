"""The right to write to an online store in Redis: a key with a token, which expires when its holder is gone."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from fti_assets.online_store.errors import OnlineLockedError

if TYPE_CHECKING:
    from redis import Redis

_PAUSE = 0.005
_EXTEND = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"


class RedisLock:
    """A lock that one writer holds.

    Args:
        client: of the server.
        key: the lock's.
        lasts: seconds after which it is free when its holder has died; as long as the holder lives it is extended.
    """

    def __init__(self, client: Redis, key: str, lasts: float) -> None:
        self._client, self._key, self._lasts = client, key, lasts
        self.token = f"process {os.getpid()} on {socket.gethostname()} {secrets.token_hex(8)}".encode()

    @contextmanager
    def held(self, wait: float, of: str) -> Iterator[None]:
        """Holds the lock until the block ends.

        Args:
            wait: seconds to wait for the present holder.
            of: what is locked, for the message.

        Raises:
            OnlineLockedError: it was not free in time; the error names its holder.
        """
        self._take(wait, of)
        ended = Event()
        renewal = Thread(target=self._renew, args=(ended,), name="extend the lock of the online store", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            ended.set()
            renewal.join()
            self._release()

    def _release(self) -> None:
        from redis import RedisError

        with suppress(RedisError):  # it expires
            self._client.eval(_RELEASE, 1, self._key, self.token)

    def _take(self, wait: float, of: str) -> None:
        until = time.monotonic() + wait
        while not self._client.set(self._key, self.token, nx=True, px=round(self._lasts * 1000)):
            if time.monotonic() > until:
                holder = (self._client.get(self._key) or b"another writer").decode(errors="replace").rpartition(" ")[0]
                raise OnlineLockedError(
                    f"The {of} was locked for more than {wait:g} s by {holder or 'another writer'}.",
                    next_step=f"Wait for it to finish, or end that process; a dead one's lock is free after {self._lasts:g} s.",
                )
            time.sleep(_PAUSE)

    def _renew(self, ended: Event) -> None:
        from redis import RedisError

        while not ended.wait(self._lasts / 3):
            try:
                self._client.eval(_EXTEND, 1, self._key, self.token, round(self._lasts * 1000))
            except RedisError:
                return  # if it is lost meanwhile, the transaction finds that out before it changes anything
