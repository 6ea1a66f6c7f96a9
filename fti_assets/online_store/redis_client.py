"""Connections to Redis, and what its errors mean. A password is read from the address or the environment, and never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fti_assets.online_store.errors import OnlineStoreError

if TYPE_CHECKING:
    from redis import Redis

PASSWORD = "FTI_ONLINE_STORE_PASSWORD"  # noqa: S105 - the name of a variable
_TIMEOUT = 5.0


def opened(address: str) -> Redis:
    """A client of the server at an address; nothing is connected yet.

    Raises:
        OnlineStoreError: the address is not written as one, or the client is not installed.
    """
    try:
        import redis
        from redis.backoff import ExponentialBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise OnlineStoreError(
            "The online store is in Redis, whose client is not installed.", next_step="pip install 'fti-assets[redis]'"
        ) from error
    again = Retry(ExponentialBackoff(cap=0.1, base=0.01), 2)  # a connection that a restarted server has closed
    secret: dict[str, Any] = {"password": os.environ[PASSWORD]} if os.environ.get(PASSWORD) else {}
    try:
        return redis.Redis.from_url(address, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=again, **secret)
    except ValueError as error:
        raise OnlineStoreError(
            f"The address of the online store, {place(address)}, is not written as one.", next_step="Write redis://host:port/db."
        ) from error


def place(address: str) -> str:
    """An address without user and password."""
    scheme, _, rest = address.partition("://")
    where = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{where}"


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Errors of Redis say what they mean."""
    from redis import exceptions as redis

    try:
        yield
    except redis.AuthenticationError as error:
        raise OnlineStoreError(
            f"The online store {where} refuses the password, or wants one.", next_step=f"Set {PASSWORD}."
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise OnlineStoreError(
            f"The online store {where} cannot be reached.", next_step="See whether the server is up, and FTI_ONLINE_STORE right."
        ) from error
    except redis.RedisError as error:
        raise _refused(error, where) from error


def _refused(error: Exception, where: str) -> OnlineStoreError:
    said = str(error)
    if "OOM" in said or "maxmemory" in said:
        return OnlineStoreError(
            f"The online store {where} is full; nothing was changed.",
            next_step="Raise its maxmemory, or remove tables.",
        )
    if "NOAUTH" in said or "WRONGPASS" in said or "NOPERM" in said:
        return OnlineStoreError(f"The online store {where} refuses the password, or wants one.", next_step=f"Set {PASSWORD}.")
    return OnlineStoreError(f"The online store {where} refused: {said}.", next_step="See the server's log.")
