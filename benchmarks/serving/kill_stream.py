"""The stream is killed at random moments while events come, and started again: each event is there once, online and in the lake."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving.killed import Killed, say_killed
from benchmarks.serving.our_stream import ACCOUNTS, HEADERS, PATH, Events, events, start_stream
from benchmarks.serving.payments.contracts import PAYMENTS, VIEW
from benchmarks.serving.processes import Running, end, free_port
from benchmarks.serving.stores import Stores
from fti_assets.feature_store import FeatureStore
from fti_assets.online_store import OnlineStore

_PAUSES = (1.5, 5.0)
"""Seconds from the start of a stream, ready, until it is killed: from, to."""
_SENDERS = 2
_LAND_EVERY = 2.0
_LANDED_WITHIN = 120.0
_APART = 1_000_000_000
"""Between the first numbers of two senders."""
_CLOSE = 1e-4


@dataclass(slots=True)
class Sent:
    """What one sender sent until it was acknowledged, and how often it had to ask again."""

    numbers: set[int] = field(default_factory=set)
    counts: Counter[int] = field(default_factory=Counter)
    amounts: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    repeats: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def note(self, batch: Events) -> None:
        self.numbers.update(batch.numbers)
        for account, amount in batch.amounts:
            self.counts[account] += 1
            self.amounts[account] += amount

    def add(self, other: Sent) -> None:
        self.numbers |= other.numbers
        self.counts += other.counts
        for account, amount in other.amounts.items():
            self.amounts[account] += amount
        self.repeats += other.repeats
        self.problems += other.problems


def kill_stream(stores: Stores, kills: int, seed: int) -> Killed:
    """Two senders send as fast as they are answered, and send again what was not."""
    stores.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="stream-", dir=stores.folder) as folder:
        home, port = Path(folder), free_port()
        running, sent = [_started(stores, home, port)], [Sent() for _ in range(_SENDERS)]
        over = threading.Event()
        threads = [threading.Thread(target=_send, args=(port, one, n, over)) for n, one in enumerate(sent)]
        try:
            for thread in threads:
                thread.start()
            _kill(running, kills, lambda: _started(stores, home, port), seed)
            over.set()
            for thread in threads:
                thread.join(timeout=60)
            for other in sent[1:]:
                sent[0].add(other)
            return _judged(running, sent[0], home)
        finally:
            over.set()
            end(running[-1].process)


def _started(stores: Stores, home: Path, port: int) -> Running:
    return start_stream(home, port, stores.log, land_every=_LAND_EVERY)


def _kill(running: list[Running], kills: int, again: Callable[[], Running], seed: int) -> None:
    moments = random.Random(seed)
    for number in range(kills):
        time.sleep(moments.uniform(*_PAUSES))
        running[-1].kill()
        running.append(again())
        say_killed("stream", number + 1, kills, running[-1])
    time.sleep(_PAUSES[0])


def _send(port: int, sent: Sent, number: int, over: threading.Event) -> None:
    """Each batch until it is acknowledged: who gets no answer cannot know, and so sends it again."""
    for batch in events(first=number * _APART, seed=number):
        while (problem := _posted(port, batch)) is not None:
            sent.problems[problem] += 1
            sent.repeats += 1
            time.sleep(0.05)
        sent.note(batch)
        if over.is_set():
            return


def _posted(port: int, batch: Events) -> str | None:
    """Why a batch was not acknowledged; None where it was."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", PATH, batch.body, HEADERS)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    if answer.status == 200 and not json.loads(said)["refused_count"]:
        return None
    return f"{answer.status}: {said[:120]!r}"


def _judged(running: Sequence[Running], sent: Sent, home: Path) -> Killed:
    counted, summed = windows_online(home)
    landed = _landed(home, len(sent.numbers))
    there = set(landed)
    broken = []
    if lost := len(sent.numbers - there):
        broken.append(f"{lost:,} acknowledged events are not in the lake")
    if more := len(landed) - len(there & sent.numbers):
        broken.append(f"{more:,} rows of the lake are there twice, or were never sent")
    off = [account for account in range(ACCOUNTS) if counted[account] != sent.counts[account]]
    off += [account for account in range(ACCOUNTS) if abs(summed[account] - sent.amounts[account]) > _CLOSE]
    if off:
        broken.append(f"windows of {len(set(off)):,} accounts are not those of the events that were sent")
    facts = {
        "events acknowledged, batches sent again": f"{len(sent.numbers):,}, {sent.repeats:,}",
        "batches not acknowledged at first, by reason": ", ".join(f"{n} {why}" for why, n in sent.problems.items()) or "none",
        "rows in the lake, acknowledged events that are not": f"{len(landed):,}, {lost:,}",
        "events counted in windows online, sent": f"{sum(counted.values()):,}, {sent.counts.total():,}",
        "accounts whose windows differ": f"{len(set(off)):,} of {ACCOUNTS:,}",
    }
    return Killed.of("the stream", running, facts, broken)


def windows_online(home: Path) -> tuple[dict[int, int], dict[int, float]]:
    """How many payments each account has online, and their sum."""
    with OnlineStore(home / "online") as store:
        found = store.get_online_features(VIEW, [{"account_id": one} for one in range(ACCOUNTS)], at=datetime.now(UTC))
    count, total = found.names.index("payments_7d"), found.names.index("amount_7d")
    values = [row.values for row in found.rows]
    return {n: row[count] or 0 for n, row in enumerate(values)}, {n: row[total] or 0.0 for n, row in enumerate(values)}


def _landed(home: Path, wanted: int) -> list[int]:
    """The numbers of all payments in the lake, once as many are there as were acknowledged, or the time is over."""
    until, numbers = time.monotonic() + _LANDED_WITHIN, list[int]()
    while len(numbers) < wanted and time.monotonic() < until:
        time.sleep(0.5)
        store = FeatureStore(home)
        with store.connect() as connection:
            if store.exists(connection, PAYMENTS.table):
                rows = connection.execute(f"SELECT payment_id FROM {PAYMENTS.table.sql}").fetchall()
                numbers = [number for (number,) in rows]
    return numbers
