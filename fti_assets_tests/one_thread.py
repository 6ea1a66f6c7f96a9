"""DuckDB with one thread: with a few rows it takes half of the processors' time, most of which goes to looking at the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

Connect = Callable[..., duckdb.DuckDBPyConnection]


def with_one_thread(connect: Connect) -> Connect:
    """`duckdb.connect` for instances with one thread, unless they are given another number."""

    def connect_with_one_thread(*args: Any, **given: Any) -> duckdb.DuckDBPyConnection:
        return connect(*args, **{**given, "config": {"threads": 1, **(given.get("config") or {})}})

    return connect_with_one_thread
