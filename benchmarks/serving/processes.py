"""Servers as processes of their own on loopback: pinned to a core, awaited, and ended by their own number."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.measuring import ROOT, resident_bytes

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
CLIENT_CORE = _CORES[-1]
"""Clients have a core of their own, where there are two. Redis runs there too, as it would on another machine."""
REDIS = Path("/usr/bin/redis-server")


class NotReadyError(Exception):
    """A server did not answer in time, or ended."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers.

    Attributes:
        ready_seconds: from its start until its first good answer.
        ready_cpu: seconds that it computed until then, whatever else ran on the machine.
    """

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float
    ready_cpu: float

    @property
    def memory(self) -> int:
        """Of all processes that it is made of, mapped pages of files not included."""
        return sum(resident_bytes(pid) for pid in _session(self.process.pid))

    @property
    def own_memory(self) -> int:
        """The same of its first process alone."""
        return resident_bytes(self.process.pid)

    @property
    def cpu_seconds(self) -> float:
        """That all its processes computed so far."""
        return sum(_cpu_seconds(pid) for pid in _session(self.process.pid))

    def settle(self, limit: float = 30.0) -> None:
        """Waits until it does next to nothing for half a second: what it does after its start is not what is measured."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            before = self.cpu_seconds
            time.sleep(0.5)
            if self.cpu_seconds - before < 0.05:
                return

    def answers(self, path: str) -> bool:
        """Whether it answers 200."""
        return _answers(self.port, path)

    def kill(self) -> None:
        """Ends it without warning."""
        _signal(self.process, signal.SIGKILL)
        self.process.wait(timeout=10)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(
    command: Sequence[object],
    port: int,
    *,
    ready: str,
    core: int = SERVER_CORE,
    environment: Mapping[str, str] | None = None,
    log: Path,
    limit: float = 120.0,
) -> Iterator[Running]:
    """Starts a server and ends it when the block ends.

    Args:
        command: the program and its arguments; it listens on `port` of loopback.
        ready: path that answers 200 once it can serve; empty takes an open port for an answer.
        log: file for what it says.
        limit: seconds after which it counts as broken.

    Raises:
        NotReadyError: it did not get ready; the error shows the end of the log.
    """
    started = start(command, port, ready=ready, core=core, environment=environment, log=log, limit=limit)
    try:
        yield started
    finally:
        end(started.process)


def start(
    command: Sequence[object],
    port: int,
    *,
    ready: str,
    core: int = SERVER_CORE,
    environment: Mapping[str, str] | None = None,
    log: Path,
    limit: float = 120.0,
) -> Running:
    """The same without an end: the caller must `end` it."""
    pinned = ["taskset", "--cpu-list", str(core), *map(str, command)]
    began = time.monotonic()
    with log.open("ab") as said:
        process = subprocess.Popen(
            pinned, env=_environment(environment or {}), stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _await(process, port, ready, began + limit, log)
    except BaseException:
        end(process)
        raise
    return Running(process, port, time.monotonic() - began, sum(_cpu_seconds(pid) for pid in _session(process.pid)))


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks a process and those it started to end, and ends them after ten seconds."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    _signal(process, signal.SIGKILL)
    process.wait(timeout=10)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """What all servers get alike: one thread for arithmetic, since each has one core."""
    alike = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
        "FEAST_USAGE": "False",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return {**os.environ, **alike, **more}


def _await(process: subprocess.Popen[bytes], port: int, ready: str, until: float, log: Path) -> None:
    while not _answers(port, ready):
        if process.poll() is not None or time.monotonic() > until:
            what = "did not get ready" if process.poll() is None else f"ended with {process.returncode}"
            raise NotReadyError(f"{process.args!r} {what}:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.01)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        if not path:
            connection.connect()
            return True
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(folder.name))
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def redis(folder: Path, dump: str, *, log: Path) -> Iterator[int]:
    """A Redis server of its own that writes nothing by itself, filled with the dump if there is one; yields its port."""
    port = free_port()
    options = {"--port": port, "--bind": "127.0.0.1", "--save": "", "--appendonly": "no", "--dir": folder, "--dbfilename": dump}
    command = [REDIS, *(word for pair in options.items() for word in pair)]
    with running(command, port, ready="", core=CLIENT_CORE, log=log, limit=60):
        yield port
