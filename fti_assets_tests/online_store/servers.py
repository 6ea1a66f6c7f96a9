"""A private Redis server for the tests, from Debian's packages, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PASSWORD = "s3cret-of-the-tests"


@dataclass(frozen=True)
class RedisServer:
    """A running server; each database of it is used once, emptied in between."""

    port: int
    databases: Iterator[int] = field(default_factory=count)

    @property
    def client(self):
        return redis.Redis(port=self.port, password=PASSWORD, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def new_database(self) -> str:
        """The address of an empty database."""
        number = next(self.databases) % 16
        address = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/{number}"
        with closing(redis.Redis.from_url(address)) as client:
            client.flushdb()
        return address


def redis_binary() -> str | None:
    return shutil.which("redis-server")


@contextmanager
def running_redis(binary: str, folder: Path, *more: str, port: int | None = None) -> Iterator[RedisServer]:
    port = port or _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--requirepass", PASSWORD, *more]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    try:
        server = RedisServer(port)
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: RedisServer) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            with closing(server.client) as client:
                client.ping()
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
