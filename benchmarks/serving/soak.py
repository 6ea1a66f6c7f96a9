"""Steady load for a long time while everything around the server changes: no request may fail, and memory stays flat."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.serving.churn import Around, Churn, Mlflow
from benchmarks.serving.contest import count_wrong
from benchmarks.serving.driving import Load, Seen, driving
from benchmarks.serving.our_server import PREDICTION, start_ours
from benchmarks.serving.processes import CLIENT_CORE, Running, end, free_port
from benchmarks.serving.stores import Stores, fill
from benchmarks.sheets import Sheet

RATE = 200.0
_SAMPLE_SECONDS = 5.0
_GROWTH = 1.05
"""How much more memory than in its second fifth a flat server may have in the last fifth of the time."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was seen.

    Attributes:
        minutes: for each minute the seconds it began at, p50 and p99 in milliseconds and good answers.
        memory: seconds and MiB of the server, without processes that it starts to fetch a version.
        versions_seen: changes of the version in the answers that were kept, in their order.
        wrong: answers of the `checked` ones whose predictions are not those of the version that they name.
    """

    seconds: float
    answers: int
    failed: int
    unsent: int
    errors: list[str]
    checked: int
    wrong: int
    minutes: list[tuple[float, float, float, int]]
    memory: list[tuple[float, float]]
    versions_seen: int
    churn: Churn

    @property
    def slope(self) -> float:
        """MiB an hour that the memory grew, without the first fifth of the time."""
        at, size = self._settled
        return float(np.polyfit(at, size, 1)[0]) * 3600 if len(at) > 2 else float("nan")

    @property
    def growth(self) -> float:
        """Memory in the last fifth of the time by that in the second one."""
        sizes = [size for _, size in self.memory]
        fifth = max(1, len(sizes) // 5)
        return float(np.median(sizes[-fifth:]) / np.median(sizes[fifth : 2 * fifth])) if sizes else float("nan")

    @property
    def _settled(self) -> tuple[np.ndarray, np.ndarray]:
        kept = np.array(self.memory[len(self.memory) // 5 :]).reshape(-1, 2)
        return kept[:, 0], kept[:, 1]

    @property
    def held(self) -> bool:
        noticed = len(self.churn.swap_seconds) == self.churn.swaps
        quiet = not (self.failed or self.unsent or self.wrong or self.churn.errors)
        return quiet and noticed and self.growth <= _GROWTH


def soak(stores: Stores, minutes: float) -> Soaked:
    """The load, and all that goes on around it, for some minutes."""
    fill(stores, {"ours"})
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CLIENT_CORE})  # what is written goes on beside the server, not on its core
    try:
        with TemporaryDirectory(prefix="soak-", dir=stores.folder) as folder:
            return _soak(stores, minutes, Path(folder))
    finally:
        os.sched_setaffinity(0, affinity)


def _soak(stores: Stores, minutes: float, home: Path) -> Soaked:
    shutil.copytree(stores.lmdb, home / "online")
    mlflow = Mlflow(stores.data, home, stores.log)
    period = 60.0 if minutes >= 4 else 30.0
    mlflow.start()
    try:
        server = start_ours(stores, free_port(), online=home / "online", home=home, registry=mlflow.address)
        try:
            around = Around(stores.data, mlflow, home / "online", port=server.port, period=period)
            memory: list[tuple[float, float]] = []
            seen = _load(stores, server, around, memory, minutes * 60)
            return _soaked(stores, seen, memory, around.done)
        finally:
            end(server.process)
    finally:
        mlflow.stop()


def _load(stores: Stores, server: Running, around: Around, memory: list[tuple[float, float]], seconds: float) -> Seen:
    question = PREDICTION
    bodies = [question.body(accounts) for accounts in stores.data.requests[1]]
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(server, memory, over))
    with driving(server.port, question.path, bodies, Load(16, RATE), seconds=seconds, keep=23) as client, around.going_on():
        watch.start()
        try:
            return client.wait()
        finally:
            over.set()
            watch.join()


def _watch(server: Running, memory: list[tuple[float, float]], over: threading.Event) -> None:
    began = last = time.monotonic()
    while not over.wait(_SAMPLE_SECONDS):
        memory.append((time.monotonic() - began, server.own_memory / 2**20))
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(f"  {last - began:.0f} s: {memory[-1][1]:.0f} MiB", file=sys.stderr, flush=True)


def _soaked(stores: Stores, seen: Seen, memory: list[tuple[float, float]], churn: Churn) -> Soaked:
    versions, wrong = [], 0
    for number, body in seen.kept:
        version = int(json.loads(body)["predictions"][0]["model_version"])
        right = stores.data.expected[version - 1, stores.data.requests[1][number]].tolist()
        versions.append(version)
        wrong += count_wrong(PREDICTION, body, right)
    return Soaked(
        seconds=seen.seconds,
        answers=seen.answers,
        failed=seen.failed,
        unsent=seen.unsent,
        errors=[f"{at:.1f} s: {what}"[:300] for at, what in seen.errors],
        checked=len(seen.kept),
        wrong=wrong,
        minutes=_minutes(seen),
        memory=memory,
        versions_seen=int(np.count_nonzero(np.diff(versions))),
        churn=churn,
    )


def _minutes(seen: Seen) -> list[tuple[float, float, float, int]]:
    found = []
    for start in np.arange(0, seen.at.max(initial=0), 60):
        within = seen.latencies[(seen.at >= start) & (seen.at < start + 60)]
        if len(within) > RATE:
            found.append((float(start), float(np.percentile(within, 50)), float(np.percentile(within, 99)), len(within)))
    return found


def sheets(found: Soaked) -> list[Sheet]:
    churn, p99s = found.churn, [p99 for _, _, p99, _ in found.minutes]
    sizes = [size for _, size in found.memory] or [float("nan")]
    noticed = f"{np.median(churn.swap_seconds):.1f} s, at most {max(churn.swap_seconds):.1f} s" if churn.swap_seconds else "never"
    lines = [
        ("time under load", f"{found.seconds / 60:.1f} minutes at {RATE:.0f} requests/s"),
        ("requests answered", f"{found.answers:,}"),
        ("requests failed, or not even sent", f"{found.failed:,}, {found.unsent:,}"),
        ("answers checked against the version that they name, wrong", f"{found.checked:,}, {found.wrong:,}"),
        ("changes of the champion made, noticed", f"{churn.swaps}, {len(churn.swap_seconds)}"),
        ("from promotion to the first answer of the new champion", noticed),
        ("MLflow stopped and started", str(churn.stops)),
        ("online tables written anew, rows written", f"{churn.tables}, {churn.rows:,}"),
        ("memory at the start, at the end, most", f"{sizes[0]:.0f}, {sizes[-1]:.0f}, {max(sizes):.0f} MiB"),
        ("growth of the memory: slope, last fifth by second fifth", f"{found.slope:+.1f} MiB/h, {found.growth:.3f}"),
        ("p99 of a minute: median, most", f"{np.median(p99s):.2f}, {max(p99s):.2f} ms" if p99s else ""),
        ("held", "yes" if found.held else "NO"),
    ]
    note = " ".join([*found.errors[:3], *churn.errors])
    by_minute = [(f"{start / 60:.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{count:,}") for start, p50, p99, count in found.minutes]
    return [
        Sheet("Soak: load while champions, tables and the registry change", ("", ""), lines, note),
        Sheet("Soak by minute", ("minute", "p50 ms", "p99 ms", "answers"), by_minute),
    ]


def as_json(found: Soaked) -> dict[str, Any]:
    return {**asdict(found), "slope": found.slope, "growth": found.growth}
