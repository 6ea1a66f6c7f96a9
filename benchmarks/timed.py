"""What a job took in its own process, the first and the second time: `timed(work)` at the end of a script prints a line of JSON.

Scripts are run by several Python environments, so this file needs the standard library only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

_WORTH_DOING_AGAIN = 30.0  # seconds; slower jobs are done once


def timed(work: Callable[[], object], *, again: bool = True) -> None:
    """Runs `work` and prints its wall and CPU seconds, the process's peak memory, and what `work` says of itself (a dict).

    Then it is run again, unless `again` is false: the first time in a process pays for what libraries load at first use.
    """
    cpu, started = time.process_time(), time.perf_counter()
    said = work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    taken = {"seconds": seconds, "cpu_seconds": cpu, "process_seconds": _age(), "peak_bytes": _peak()}
    if again and seconds < _WORTH_DOING_AGAIN:
        started = time.perf_counter()
        work()
        taken["again_seconds"] = time.perf_counter() - started
    print(json.dumps({**taken, **(said if isinstance(said, dict) else {})}))


def _peak() -> int:
    """The most memory this process ever had, mapped pages of files included. Not what its parent had, as getrusage may say."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _age() -> float:
    """Seconds since this process began."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began
