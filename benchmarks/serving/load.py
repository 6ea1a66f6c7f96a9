"""A client that asks a server over raw sockets, in a process of its own: started with `-m` and the file of an order.

Closed loop: each connection asks again as soon as it is answered. Open loop: requests are due at a fixed rate, whether the
server has answered the ones before or not, and each is timed from when it was due; so time that a request waits because others
are not answered yet counts (no coordinated omission). SIGTERM ends the sending early. It prints a line of JSON; times and
latencies go to a file, in nanoseconds.
"""

from __future__ import annotations

import ctypes
import json
import re
import select
import signal
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving.connection import Connection, body_of

_TIMER_SLACK = 29  # PR_SET_TIMERSLACK: the system wakes a sleeper up to 50 microseconds late unless told otherwise
_NUMBERS = re.compile(r"\d+")
_GRACE = {True: 2.0, False: 15.0}
"""Seconds after the end of the sending in which answers still count, with and without a fixed rate."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of whom.

    Attributes:
        bodies: file with a list of texts, as JSON; they are sent in turn.
        rate: requests a second, all connections together; 0 asks as fast as answers come.
        seconds: how long requests are sent.
        requests: at most so many.
        keep: every so many-th answer is kept.
        timings: file that is written.
        retries: whether a broken connection is opened again, as clients do of a server that restarts.
    """

    port: int
    method: str
    path: str
    headers: dict[str, str]
    bodies: str
    connections: int
    rate: float
    seconds: float
    requests: int
    keep: int
    timings: str
    retries: bool = False


@dataclass(slots=True)
class Record:
    """What was seen: of every good answer when it came and how long it took; what failed, by kind and the first of each kind."""

    came: array[int] = field(default_factory=lambda: array("q"))
    took: array[int] = field(default_factory=lambda: array("q"))
    kept: list[tuple[int, str]] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    unsent: int = 0

    def fail(self, now: int, what: str) -> None:
        self.failed += 1
        kind = _NUMBERS.sub("0", what)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= 3 and len(self.errors) < 100:
            self.errors.append((now, what))


class Schedule:
    """When requests are due at a fixed rate, in nanoseconds, and those that are due and were not sent yet."""

    def __init__(self, began: int, rate: float, total: int) -> None:
        self.waiting: deque[int] = deque()
        self._began, self._step, self._total, self._made = began, 1e9 / rate, total, 0

    @property
    def is_going_on(self) -> bool:
        return self._made < self._total or bool(self.waiting)

    @property
    def end(self) -> int:
        """When the last one is due."""
        return self._began + int(self._total * self._step)

    def stop(self) -> None:
        """No more come."""
        self._total = min(self._total, self._made)

    def advance(self, now: int) -> None:
        while self._made < self._total and self._next <= now:
            self.waiting.append(self._next)
            self._made += 1

    def pause(self, now: int) -> float:
        """Seconds until the next one is due."""
        return max(0.0, (self._next - now) / 1e9) if self._made < self._total else 0.1

    @property
    def _next(self) -> int:
        return self._began + int(self._made * self._step)


class Client:
    """Carries out an order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = list(_requests(order))
        self.record = Record()
        self._connections = [Connection(order.port) for _ in range(order.connections)]
        self._sent = 0
        self._is_over = False
        self._grace = _GRACE[order.rate > 0]

    def run(self) -> dict[str, Any]:
        ctypes.CDLL(None).prctl(_TIMER_SLACK, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, self._end)
        for connection in self._connections:
            connection.open()
        cpu, began = time.process_time(), time.perf_counter_ns()
        (self._open_loop if self._order.rate else self._closed_loop)(began)
        seconds = (time.perf_counter_ns() - began) / 1e9
        busy = (time.process_time() - cpu) / seconds
        record = self.record
        with Path(self._order.timings).open("wb") as file:
            record.came.tofile(file)
            record.took.tofile(file)
        return {
            "answers": len(record.took),
            "failed": record.failed,
            "unsent": record.unsent,
            "sent": self._sent,
            "errors": [(round((at - began) / 1e9, 3), what) for at, what in record.errors],
            "kinds": record.kinds,
            "kept": record.kept,
            "began": began,
            "seconds": seconds,
            "client_busy": busy,
        }

    def _end(self, *_: object) -> None:
        self._is_over = True

    def _closed_loop(self, began: int) -> None:
        until = began + int(self._order.seconds * 1e9)
        for connection in self._connections:
            self._send(connection, time.perf_counter_ns())
        while any(one.is_busy for one in self._connections):
            now = time.perf_counter_ns()
            if now > until + int(self._grace * 1e9):
                break
            for connection in self._readable(1.0):
                is_over = self._is_over or time.perf_counter_ns() > until or self._sent >= self._order.requests
                if self._receive(connection) and not is_over:
                    self._send(connection, time.perf_counter_ns())
        self._fail_the_rest()

    def _open_loop(self, began: int) -> None:
        order = self._order
        due = Schedule(began, order.rate, min(order.requests, int(order.rate * order.seconds)))
        while due.is_going_on or any(one.is_busy for one in self._connections):
            now = time.perf_counter_ns()
            if self._is_over:
                due.stop()
            if now > due.end + int(self._grace * 1e9):
                break
            due.advance(now)
            for connection in self._connections:
                if due.waiting and not connection.is_busy:
                    self._send(connection, due.waiting.popleft())
            for connection in self._readable(due.pause(time.perf_counter_ns())):
                self._receive(connection)
        now = time.perf_counter_ns()
        for moment in due.waiting:  # due, and not even sent: as slow as the wait so far
            self.record.unsent += 1
            self.record.came.append(now)
            self.record.took.append(now - moment)
        self._fail_the_rest()

    def _readable(self, seconds: float) -> list[Connection]:
        busy = {one.socket: one for one in self._connections if one.is_busy and one.socket is not None}
        if not busy:
            time.sleep(seconds)
            return []
        found, _, _ = select.select(list(busy), [], [], seconds)
        return [busy[one] for one in found]

    def _send(self, connection: Connection, due: int) -> None:
        try:
            connection.ask(self._requests[self._sent % len(self._requests)], self._sent, due)
        except OSError as error:
            self._broken(connection, error)
        self._sent += 1

    def _receive(self, connection: Connection) -> bool:
        """Takes what has come; whether the connection can ask again."""
        try:
            found = connection.answer()
        except OSError as error:
            self._broken(connection, error)
            return True
        if found is None:
            return False
        now = time.perf_counter_ns()
        if not found.startswith(b"HTTP/1.1 200"):
            self.record.fail(now, found[:400].decode(errors="replace"))
            return True
        self.record.came.append(now)
        self.record.took.append(now - connection.due)
        if connection.number % self._order.keep == 0:
            self.record.kept.append((connection.number % len(self._requests), body_of(found)))
        return True

    def _broken(self, connection: Connection, error: OSError) -> None:
        self.record.fail(time.perf_counter_ns(), f"{type(error).__name__}: {error}")
        connection.close()
        if not self._order.retries and self.record.failed > 100:
            raise SystemExit(f"Port {self._order.port} answers no more: {error}")
        if isinstance(error, ConnectionRefusedError):
            time.sleep(0.01)

    def _fail_the_rest(self) -> None:
        for connection in self._connections:
            if connection.is_busy:
                self.record.fail(time.perf_counter_ns(), "no answer in time")
            connection.close()


def _requests(order: Order) -> Iterator[bytes]:
    headers = {"Host": f"127.0.0.1:{order.port}", "Connection": "keep-alive", **order.headers}
    start = f"{order.method} {order.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    for text in json.loads(Path(order.bodies).read_bytes()):
        body = text.encode()
        yield f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(Client(Order(**given)).run()))
