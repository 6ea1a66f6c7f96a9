"""What a job took in its own process: `timed(work)` at the end of a script, which prints one line of JSON.

Scripts of this folder are run by several Python environments, so this file needs the standard library only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def timed(work: Callable[[], object]) -> None:
    """Runs `work` and prints its wall and CPU seconds, the process's peak memory, and what `work` says of itself (a dict)."""
    cpu, started = time.process_time(), time.perf_counter()
    said = work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": _peak(), **(said if isinstance(said, dict) else {})}))


def arguments() -> tuple[Path, Path, str]:
    """Folder of the case, path of the result, and the variant ("" where there is none)."""
    return Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""


GROUPS = ("account", "device", "merchant")


def sorted_files(case: Path) -> list[Path]:
    return [case / "sorted" / f"{group}.parquet" for group in GROUPS]


def _peak() -> int:
    """The most memory this process ever had, mapped pages of files included. Not what its parent had, as getrusage may say."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
