"""Events by HTTP at a fixed rate: how long until each is durable and readable, which is when it is answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.serving.driving import Load, Seen, drive
from benchmarks.serving.kill_stream import windows_online
from benchmarks.serving.our_stream import ACCOUNTS, BATCH, HEADERS, PATH, Events, events, start_stream
from benchmarks.serving.processes import end, free_port
from benchmarks.serving.stores import Stores
from benchmarks.sheets import Sheet

TARGET_RATE = 2000
TARGET_SECONDS = 0.05
_LOADS = (Load(8, TARGET_RATE / BATCH), Load(8))
_MOST_BATCHES = 20_000


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one load showed, in milliseconds from when a batch was due until it was acknowledged.

    Attributes:
        rate: acknowledged events a second.
        off: accounts whose windows online are not those of the acknowledged events.
        cpu: milliseconds that the stream computed for each event, landing included.
    """

    title: str
    p50: float
    p99: float
    most: float
    rate: float
    failed: int
    off: int
    cpu: float

    @property
    def held(self) -> bool:
        return not self.failed and not self.off


def stream(stores: Stores, seconds: float) -> list[Streamed]:
    """At the rate of the target, and as fast as it goes."""
    stores.folder.mkdir(parents=True, exist_ok=True)
    return [_streamed(stores, load, seconds) for load in _LOADS]


def _streamed(stores: Stores, load: Load, seconds: float) -> Streamed:
    batches = list(islice(events(), int(load.rate * seconds) if load.rate else _MOST_BATCHES))
    with TemporaryDirectory(prefix="stream-", dir=stores.folder) as folder:
        home, port = Path(folder), free_port()
        running = start_stream(home, port, stores.log, land_every=2.0)
        try:
            running.settle()
            cpu = running.cpu_seconds
            bodies = [one.body for one in batches]
            seen = drive(port, PATH, bodies, load, seconds=seconds, headers=HEADERS, most=len(bodies))
            cpu = running.cpu_seconds - cpu
            off = _off(home, batches[: seen.sent])
        finally:
            end(running.process)
    return _summary(load, seen, cpu, off)


def _off(home: Path, sent: list[Events]) -> int:
    wanted = Counter(account for batch in sent for account, _ in batch.amounts)
    counted, _ = windows_online(home)
    return sum(counted[account] != wanted[account] for account in range(ACCOUNTS))


def _summary(load: Load, seen: Seen, cpu: float, off: int) -> Streamed:
    title = f"{load.rate * BATCH:,.0f} events/s" if load.rate else f"as fast as answered, {load.connections} connections"
    return Streamed(
        title=title,
        p50=seen.percentile(50),
        p99=seen.percentile(99),
        most=seen.percentile(100),
        rate=seen.rate * BATCH,
        failed=seen.failed + seen.unsent,
        off=off,
        cpu=cpu / max(1, seen.answers * BATCH) * 1000,
    )


def sheet(found: list[Streamed]) -> Sheet:
    lines = [
        (
            one.title,
            f"{one.rate:,.0f}",
            f"{one.p50:.1f}",
            f"{one.p99:.1f}",
            f"{one.most:.1f}",
            f"{one.cpu:.3f}",
            str(one.failed),
            f"{one.off} of {ACCOUNTS:,}",
        )
        for one in found
    ]
    columns = ("", "events/s", "p50 ms", "p99 ms", "most ms", "CPU ms an event", "batches failed", "windows wrong")
    note = (
        f"Batches of {BATCH} events, counted in windows of 7 days by account and landed in the lake every 2 seconds. Time runs from"
        f" when a batch was due until it was acknowledged: it is durable and readable then. Target: {TARGET_SECONDS * 1000:.0f} ms"
        f" at {TARGET_RATE:,} events/s."
    )
    return Sheet("Stream: event to readable", columns, lines, note)


def as_json(found: list[Streamed]) -> list[dict[str, Any]]:
    return [asdict(one) for one in found]
