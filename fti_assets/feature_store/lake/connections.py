"""Where connections to a lake come from: private DuckDB instances, used again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake import data_files, postgres_catalog

_SECRETS = (postgres_catalog.SECRET, data_files.SECRET)

Connector = Callable[[], AbstractContextManager[DuckDBPyConnection]]


class ConnectionPool:
    """Private DuckDB instances that are used again: loading their extensions takes most of what a small job takes.

    Connections that are open at the same time have different instances, so each may attach its own lake.

    Args:
        open_instance: opens a new instance when none is idle.
    """

    def __init__(self, open_instance: Callable[[], DuckDBPyConnection]) -> None:
        self._open_instance = open_instance
        self._idle: list[tuple[int, DuckDBPyConnection]] = []

    @contextmanager
    def connection(self) -> Iterator[DuckDBPyConnection]:
        """A connection whose temporary tables, views, attached lake and secrets are gone when the block ends."""
        instance = self._take()
        connection = instance.cursor()
        try:
            yield connection
        finally:
            connection.close()
            instance.execute("DETACH DATABASE IF EXISTS lake")
            for secret in _SECRETS:
                instance.execute(f"DROP TEMPORARY SECRET IF EXISTS {secret}")
            self._idle.append((os.getpid(), instance))

    def _take(self) -> DuckDBPyConnection:
        while self._idle:
            process, instance = self._idle.pop()
            if process == os.getpid():  # one from before a fork has no threads here
                return instance
        return self._open_instance()


def _open_in_memory() -> DuckDBPyConnection:
    return duckdb.connect(":memory:")


in_memory_connection: Connector = ConnectionPool(_open_in_memory).connection
"""Connections to private DuckDB instances of this process."""
