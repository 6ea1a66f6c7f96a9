"""Online stores beside each other: one million entities of 20 floats loaded, and looked up one and a hundred at a time.

    python -m benchmarks.online_store            # LMDB, Redis (Debian's redis-server) and SQLite
    python -m benchmarks.online_store --entities 100000 --only lmdb

The rivals of LMDB and Redis are the bytes of the same rows in a table of SQLite (key and value, WITHOUT ROWID, WAL), decoded by the
same code. Every store is in a folder of its own on the disk; lookups are of random entities, in this process, after a warm-up.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.sheets import Sheet, show
from fti_assets.online_store import OnlineStore
from fti_assets.online_store.given import Given
from fti_assets.online_store.keys import KeyCodec, microseconds
from fti_assets.online_store.row_reading import RowReader
from fti_assets.online_store.rows import Layout
from fti_assets.online_store.tables import kept_columns
from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, FeatureView

FEATURES = 20
ROLES = 6
ONE, MANY = 5_000, 200
"""How often one row, and a hundred, are looked up."""
NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAYS = Daily(start="2025-01-01")
PROMISE = Contract(owner="team:benchmarks")
ACCOUNT, ORDER = Entity("account", (Column("account", "int"),)), Entity("order", (Column("order", "int"),))
GROUP = FeatureGroup(
    name="accounts",
    version=1,
    entity=ACCOUNT,
    event_time="known_at",
    cadence=DAYS,
    ttl=timedelta(days=30),
    online=True,
    features=tuple(Feature(f"f{n}", "float") for n in range(FEATURES)),
    contract=PROMISE,
)
ORDERS = FeatureGroup(
    name="orders",
    version=1,
    entity=ORDER,
    event_time="asked_at",
    cadence=DAYS,
    features=tuple(Feature(f"account_{n}", "int") for n in range(ROLES)),
    contract=PROMISE,
)
OUTCOMES = FeatureGroup(
    name="outcomes",
    version=1,
    entity=ORDER,
    event_time="known_at",
    cadence=DAYS,
    features=(Feature("paid", "bool"),),
    contract=PROMISE,
)


def view_of(roles: int) -> FeatureView:
    """A view that looks a group up in so many roles."""
    features = tuple(GROUP.all_features.on(account=f"account_{n}").prefixed(f"r{n}_") for n in range(roles))
    return FeatureView(name=f"order_{roles}", version=1, spine=ORDERS, at="asked_at", features=features, label=OUTCOMES["paid"])


@dataclass(frozen=True, slots=True)
class Timed:
    """Microseconds of many lookups: the median, and the slowest of a hundred."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.p50:,.1f} / {self.p99:,.0f}"


def timed(work: Callable[[Any], object], given: Sequence[Any]) -> Timed:
    for one in given[: len(given) // 5]:
        work(one)
    took = []
    for one in given:
        started = time.perf_counter_ns()
        work(one)
        took.append((time.perf_counter_ns() - started) / 1000)
    return Timed(statistics.median(took), float(np.percentile(took, 99)))


def rows(entities: int) -> pa.Table:
    """One row for each entity, in no order."""
    chance = np.random.default_rng(1)
    columns: dict[str, Any] = {
        "account": pa.array(chance.permutation(entities)),
        "known_at": pa.array(microseconds(NOW) - chance.integers(0, 10**9, entities), pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns | {f"f{n}": pa.array(chance.random(entities)) for n in range(FEATURES)})


class Sqlite:
    """The rival: the same bytes in a table of SQLite."""

    def __init__(self, folder: Path) -> None:
        self.connection = sqlite3.connect(folder / "rows.sqlite")
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        self.layout = Layout(1, kept_columns(GROUP))
        self.read = RowReader(self.layout, GROUP.feature_names).read
        self.encode = KeyCodec(ACCOUNT.keys).encode

    def load(self, table: pa.Table) -> None:
        given = Given.of(GROUP, table, NOW)
        pairs = (pair for keys, values in given.items(self.layout) for pair in zip(keys, values, strict=True))
        with self.connection:
            self.connection.executemany("INSERT INTO rows VALUES (?, ?)", pairs)

    def find(self, accounts: Sequence[int]) -> list[Any]:
        keys = [self.encode((account,)) for account in accounts]
        query = f"SELECT key, value FROM rows WHERE key IN ({','.join('?' * len(keys))})"
        found = {key: self.read(value) for key, value in self.connection.execute(query, keys)}
        return [found.get(key) for key in keys]


class Ours:
    """An online store: the bytes alone, and a view with ttl, statuses and event times."""

    def __init__(self, address: str | Path) -> None:
        self.store = OnlineStore(address)
        self.encode = KeyCodec(ACCOUNT.keys).encode
        self.read = RowReader(Layout(1, kept_columns(GROUP)), GROUP.feature_names).read
        self.views = {roles: self.store.view(view_of(roles)) for roles in (1, ROLES)}

    def load(self, table: pa.Table) -> None:
        self.store.replace(GROUP, table)

    def find(self, accounts: Sequence[int]) -> list[Any]:
        keys = [key for account in accounts if (key := self.encode((account,)))]
        with self.store.reading() as reader:
            return [self.read(row) for row in reader.get_many("rows:accounts_v1", keys) if row]

    def find_view(self, accounts: Sequence[int], roles: int = 1) -> list[Any]:
        names = [f"account_{n}" for n in range(roles)]
        requests = [
            {"order": 1} | dict(zip(names, accounts[start : start + roles], strict=True))
            for start in range(0, len(accounts), roles)
        ]
        found = self.views[roles].find(requests, [microseconds(NOW)] * len(requests)).rows
        assert all(status in ("found", "given") for row in found for status in row.statuses)
        return found


@contextmanager
def redis_address(folder: Path) -> Iterator[str | None]:
    """A Redis server of the benchmark's own; None where there is no redis-server."""
    from fti_assets_tests.online_store.servers import redis_binary, running_redis

    binary = redis_binary()
    if binary is None:
        print("Redis is left out: redis-server is not installed.")
        yield None
        return
    with running_redis(binary, folder) as server:
        yield server.new_database()


def measured(name: str, store: Sqlite | Ours, table: pa.Table, entities: int) -> list[str]:
    """A line of the sheet."""
    load = seconds(lambda: store.load(table))
    again = f"{seconds(lambda: store.load(table)):.1f}" if isinstance(store, Ours) else ""
    chance = random.Random(2)
    asked = {count: [[chance.randrange(entities) for _ in range(count)] for _ in range(times)] for count, times in COUNTS.items()}
    cells = [name, f"{load:.1f}", again, *(str(timed(store.find, asked[count])) for count in (1, 100))]
    if isinstance(store, Sqlite):
        return [*cells, "", "", ""]
    views = [str(timed(store.find_view, asked[count])) for count in (1, 100)]
    return [*cells, *views, str(timed(lambda accounts: store.find_view(accounts, ROLES), asked[ROLES]))]


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


COUNTS = {1: ONE, 100: MANY, ROLES: ONE}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--entities", type=int, default=1_000_000)
    asked.add_argument("--only", choices=("lmdb", "redis", "sqlite"), action="append")
    asked.add_argument("--folder", type=Path, default=None, help="Where the stores are made; a temporary folder.")
    given = asked.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="online-", dir=given.folder))
    try:
        show(sheet(folder, given.entities, given.only or ["lmdb", "redis", "sqlite"]))
    finally:
        shutil.rmtree(folder)


def sheet(folder: Path, entities: int, only: Sequence[str]) -> Sheet:
    table, lines = rows(entities), []
    if "lmdb" in only:
        lines.append(measured("LMDB", Ours(folder / "lmdb"), table, entities))
    if "sqlite" in only:
        lines.append(measured("SQLite blob", Sqlite(folder), table, entities))
    if "redis" in only:
        with redis_address(folder) as address:
            lines += [measured("Redis", Ours(address), table, entities)] if address else []
    columns = ["store", "load, s", "load again, s", "1 row, bytes", "100 rows, bytes", "1 row, view", "100 rows, view"]
    return Sheet(
        title=f"{entities:,} entities of {FEATURES} floats; lookups in µs, p50 / p99",
        columns=[*columns, f"1 row of {ROLES} groups, view"],
        rows=lines,
        note="bytes: key encoded, row found and decoded. view: the same with ttl, statuses and event times, as a server reads.",
    )


if __name__ == "__main__":
    main()
