"""Load on a server from a process of its own, and what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measuring import ROOT
from benchmarks.serving.load import Order
from benchmarks.serving.processes import CLIENT_CORE

_MOST_REQUESTS = 2_000_000


class Driving:
    """A client at work."""

    def __init__(self, client: subprocess.Popen[str], timings: Path, seconds: float) -> None:
        self._client, self._timings, self._seconds = client, timings, seconds

    def wait(self) -> Seen:
        """What it saw, when its time is over."""
        return _seen(self._client, self._timings, self._seconds)

    def stop(self) -> Seen:
        """What it saw until now, with the answers that are on their way."""
        self._client.terminate()
        return _seen(self._client, self._timings, self._seconds)


class LoadError(Exception):
    """The client could not do its work."""


@dataclass(frozen=True, slots=True)
class Load:
    """How a server is asked.

    Attributes:
        rate: requests a second, whether answers come or not; 0 asks as fast as they come.
    """

    connections: int
    rate: float = 0.0

    @property
    def title(self) -> str:
        if self.rate:
            return f"at {self.rate:,.0f} requests/s"
        return f"at {self.connections} connection{'s' if self.connections > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one drive showed.

    Attributes:
        at: when each good answer came, in seconds from the start of the sending.
        latencies: of each good answer, and of requests that could not even be sent, in milliseconds.
        kept: number of a request and the body of its answer.
        kinds: of failures, and how often each came.
        client_busy: share of the time in which the client computed: near 1 the client is what is measured.
    """

    at: np.ndarray
    latencies: np.ndarray
    kept: list[tuple[int, str]]
    failed: int
    unsent: int
    errors: list[tuple[float, str]]
    kinds: dict[str, int]
    seconds: float
    client_busy: float
    sent: int
    began: int = field(default=0)

    @property
    def answers(self) -> int:
        return len(self.latencies) - self.unsent

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.answers / self.seconds if self.seconds else 0.0

    def percentile(self, which: float) -> float:
        return float(np.percentile(self.latencies, which)) if len(self.latencies) else float("nan")


def drive(
    port: int,
    path: str,
    bodies: Sequence[bytes],
    load: Load,
    *,
    seconds: float,
    keep: int = 23,
    headers: Mapping[str, str] | None = None,
) -> Seen:
    """Asks for some seconds; the client is pinned to its core."""
    with driving(port, path, bodies, load, seconds=seconds, keep=keep, headers=headers) as client:
        return client.wait()


@contextmanager
def driving(
    port: int,
    path: str,
    bodies: Sequence[bytes],
    load: Load,
    *,
    seconds: float,
    keep: int = 23,
    headers: Mapping[str, str] | None = None,
    retries: bool = False,
) -> Iterator[Driving]:
    """The same while the block does other things."""
    with TemporaryDirectory(prefix="fti-load-") as folder:
        home = Path(folder)
        (home / "bodies").write_text(json.dumps([body.decode() for body in bodies]))
        order = Order(
            port=port,
            method="POST",
            path=path,
            headers={"Content-Type": "application/json", **(headers or {})},
            bodies=str(home / "bodies"),
            connections=load.connections,
            rate=load.rate,
            seconds=seconds,
            requests=_MOST_REQUESTS,
            keep=keep,
            timings=str(home / "timings"),
            retries=retries,
        )
        (home / "order.json").write_text(json.dumps(asdict(order)))
        command = [
            "taskset",
            "--cpu-list",
            str(CLIENT_CORE),
            sys.executable,
            "-m",
            "benchmarks.serving.load",
            str(home / "order.json"),
        ]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            yield Driving(client, home / "timings", seconds)
        finally:
            if client.poll() is None:
                client.kill()
            client.wait(timeout=10)


def _seen(client: subprocess.Popen[str], timings: Path, seconds: float) -> Seen:
    out, err = client.communicate(timeout=seconds + 60)
    if client.returncode:
        raise LoadError(err.strip().splitlines()[-1] if err.strip() else f"the client ended with {client.returncode}")
    said: dict[str, Any] = json.loads(out)
    came, took = np.fromfile(timings, dtype=np.int64).reshape(2, -1)
    return Seen(
        at=(came - said["began"]) / 1e9,
        latencies=took / 1e6,
        kept=[(number, body) for number, body in said["kept"]],
        failed=said["failed"],
        unsent=said["unsent"],
        kinds=said["kinds"],
        errors=[(at, what) for at, what in said["errors"]],
        seconds=said["seconds"],
        client_busy=said["client_busy"],
        sent=said["sent"],
        began=said["began"],
    )
