"""Jobs in fresh processes, one after another: what they took, as they say it themselves and as seen from outside."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job.

    Attributes:
        outcome: "ok", why it was ended, or the last line of what went wrong.
        seconds: from the first byte read to the result on disk, imports not counted.
        cpu_seconds: of the same, all threads together.
        process_seconds: the same with the start of the process and all imports.
        again_seconds: of the same job done a second time in the same process.
        peak_bytes: of the process, mapped pages of files included.
        said: what else the job said.
    """

    outcome: str
    seconds: float
    cpu_seconds: float = float("nan")
    process_seconds: float = float("nan")
    again_seconds: float = float("nan")
    peak_bytes: int = 0
    said: dict[str, object] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"


def run(python: Path, script: Path, *arguments: object, limit: float) -> Run:
    """Runs a script in a process of its own, ended after `limit` seconds or when it takes most of the memory."""
    os.sync()  # what was written before is not paid for by this job
    command = [str(python), str(script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "FEAST_USAGE": "False"}
    started = time.perf_counter()
    child = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    watch = _Watch(child, limit)
    watch.start()
    out, err = child.communicate()
    watch.join()
    return _judged(child.returncode, out, err, time.perf_counter() - started, watch.reason)


class _Watch(threading.Thread):
    """Ends a process that takes too long or too much memory, and says why; a machine without memory ends others instead."""

    def __init__(self, child: subprocess.Popen[str], limit: float) -> None:
        super().__init__(daemon=True)
        self._child = child
        self._until = time.monotonic() + limit
        self.reason: str | None = None

    def run(self) -> None:
        most = 0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        while self.reason is None and self._child.poll() is None:
            if time.monotonic() > self._until:
                self.reason = "timed out"
            elif resident_bytes(self._child.pid) > most:
                self.reason = f"ended at {most / 2**30:.0f} GiB"
            time.sleep(0.1)
        if self.reason is not None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(self._child.pid, signal.SIGKILL)


def resident_bytes(process: int) -> int:
    """Memory that a process has, mapped pages of files not included; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{process}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def _judged(code: int, out: str, err: str, seconds: float, reason: str | None) -> Run:
    if reason is not None:
        return Run(reason, seconds, process_seconds=seconds)
    if code != 0:
        lines = [line for line in err.strip().splitlines() if line.strip()]
        return Run(lines[-1] if lines else f"ended with {code}", float("nan"), process_seconds=seconds)
    said = json.loads(out.strip().splitlines()[-1])
    named = ("seconds", "cpu_seconds", "process_seconds", "again_seconds", "peak_bytes")
    return Run("ok", **{name: said.pop(name) for name in named if name in said}, said=said)


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians of the runs of one job that went well; `outcome` of the first that did not."""

    outcome: str
    runs: int
    seconds: float
    quickest: float
    cpu_seconds: float
    process_seconds: float
    again_seconds: float
    peak_bytes: int


def summary(runs: Sequence[Run]) -> Summary:
    bad = [one for one in runs if not one.is_ok]
    good = [one for one in runs if one.is_ok] or bad

    def median(of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, good))

    return Summary(
        outcome=bad[0].outcome if bad else "ok",
        runs=len(good),
        seconds=median(lambda one: one.seconds),
        quickest=min(one.seconds for one in good),
        cpu_seconds=median(lambda one: one.cpu_seconds),
        process_seconds=median(lambda one: one.process_seconds),
        again_seconds=median(lambda one: one.again_seconds),
        peak_bytes=max(one.peak_bytes for one in good),
    )
