"""Lookup inside of the asking process, without a server: ours beside Feast's SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measuring import ROOT
from benchmarks.serving.processes import SERVER_CORE, redis
from benchmarks.serving.stores import DUMPS, Stores, feast_job, redis_address

_OURS = Path(__file__).parent / "apps" / "our_lookups.py"


@dataclass(frozen=True, slots=True)
class Lookups:
    """Calls of one way to look up, for a number of rows, in milliseconds; medians of the rounds."""

    name: str
    rows: int
    p50: float
    p99: float
    calls: int


def look_up(stores: Stores, keys: Collection[str], *, repeats: int, seconds: float) -> list[Lookups]:
    """The ways of the contestants of these keys in turns, `seconds` for each number of rows."""
    environment = {"BENCHMARK_CORE": str(SERVER_CORE), "BENCHMARK_SECONDS": str(seconds)}

    def feast(repository: Path) -> str:
        return feast_job(stores, "lookups", repository, **environment)

    ways: dict[str, tuple[str, Callable[[], str]]] = {
        "lookup": ("ours on LMDB", lambda: _ours(stores, str(stores.lmdb), environment)),
        "lookup_redis": (
            "ours on Redis",
            lambda: _with_redis(stores, "ours", lambda port: _ours(stores, redis_address(port), environment)),
        ),
        "feast": ("Feast's SDK on SQLite", lambda: feast(stores.repository("sqlite"))),
        "feast_redis": (
            "Feast's SDK on Redis",
            lambda: _with_redis(stores, "feast", lambda port: feast(stores.repository("redis", port))),
        ),
    }
    rounds: dict[tuple[str, int], list[list[float]]] = {}
    for _ in range(repeats):
        for name, way in (ways[key] for key in ways if key in keys):
            print(f"  lookup in process: {name}", file=sys.stderr, flush=True)
            for rows, took in json.loads(way()).items():
                rounds.setdefault((name, int(rows)), []).append(took)
    return [_summary(name, rows, found) for (name, rows), found in rounds.items()]


def _ours(stores: Stores, address: str, environment: dict[str, str]) -> str:
    alike = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(_OURS), address, str(stores.data.folder.resolve())]
    done = subprocess.run(
        command, env={**os.environ, **alike, **environment}, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The lookups on {address} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def _with_redis(stores: Stores, whose: str, job: Callable[[int], str]) -> str:
    with redis(stores.folder, DUMPS[whose], log=stores.log) as port:
        return job(port)


def _summary(name: str, rows: int, rounds: list[list[float]]) -> Lookups:
    def median(which: float) -> float:
        return float(np.median([np.percentile(took, which) for took in rounds])) * 1000

    return Lookups(name, rows, median(50), median(99), sum(map(len, rounds)))
