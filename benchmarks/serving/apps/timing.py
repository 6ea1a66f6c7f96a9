"""Times calls in this process. Used by several Python environments, so it needs the standard library only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def pin() -> None:
    """Keeps this process on the core that the servers run on."""
    os.sched_setaffinity(0, {int(os.environ["BENCHMARK_CORE"])})


def timings(asked: Mapping[int, Sequence[Any]], call: Callable[[Any], object]) -> dict[str, list[float]]:
    """For each number of rows the seconds that each call took; calls that are not counted go before.

    As many calls as fit into `BENCHMARK_SECONDS`, at least 20.
    """
    limit, found = float(os.environ["BENCHMARK_SECONDS"]), {}
    for rows, requests in asked.items():
        _for(requests, call, limit / 5)
        found[str(rows)] = _for(requests, call, limit)
    return found


def _for(requests: Sequence[Any], call: Callable[[Any], object], seconds: float) -> list[float]:
    took: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 20:
        request = requests[len(took) % len(requests)]
        started = time.perf_counter()
        call(request)
        took.append(time.perf_counter() - started)
    return took
