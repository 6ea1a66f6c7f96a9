"""Writes an inference log: lines go into memory at once, and from there a thread writes them to disk. No request waits for a disk.

`SERVER-000002.ndjson.part` is a segment that a server writes, and holds locked: where the lock is free, the server is gone.
`SERVER-000001.ndjson` is one that it has closed: it holds whole lines, nobody writes it any more, and a pipeline may land it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread

from fti_assets.serving.settings import LogLimits

LOGGER = logging.getLogger("fti.serving")
FLUSH_SECONDS = 0.25
CLOSED, OPEN = ".ndjson", ".ndjson.part"


def new_server_id() -> str:
    """Unlike that of every other server, and later in the alphabet than those of before."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


class LogWriter:
    """Writes the lines of one model, as one server.

    Args:
        folder: of the model's log.
        server: id of this server.
        limits: what it may take.
    """

    def __init__(self, folder: Path, server: str, limits: LogLimits) -> None:
        self.folder, self.server, self._limits = folder, server, limits
        self.written = self.dropped = self.waiting_bytes = self.queued_bytes = 0
        self.problem = ""
        self._lines: deque[bytes] = deque()
        self._segment: _OpenSegment | None = None
        self._number = 0
        self._lock, self._stop, self._full = Lock(), Event(), Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = Thread(target=self._run, name=f"inference log {folder.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Takes a line, which ends with a newline; it is dropped and counted where there is no room. Never waits."""
        with self._lock:
            if self.queued_bytes + len(line) > self._limits.memory_bytes:
                self.dropped += 1
                return
            self._lines.append(line)
            self.queued_bytes += len(line)
        if self.queued_bytes > self._limits.memory_bytes // 2:
            self._full.set()

    def stop(self) -> None:
        """Writes what was put, and closes the segment."""
        self._stop.set()
        self._full.set()
        self._thread.join()

    def _run(self) -> None:
        measured_at = 0.0
        while not self._stop.is_set():
            self._full.wait(FLUSH_SECONDS)
            self._full.clear()
            if time.monotonic() - measured_at > 1:
                self._measure()
                measured_at = time.monotonic()
            self._flush()
        self._flush()
        self._close()

    def _measure(self) -> None:
        """What lies on disk: a pipeline that lands segments removes them meanwhile."""
        sizes = [self._size(path) for pattern in (CLOSED, OPEN) for path in self.folder.glob(f"*{pattern}")]
        self.waiting_bytes = sum(sizes)

    @staticmethod
    def _size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:  # landed a moment ago
            return 0

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, deque()
            self.queued_bytes = 0
        if lines:
            self._write(lines)
        if self._segment is not None and self._segment.age > self._limits.segment_seconds:
            self._close()

    def _write(self, lines: deque[bytes]) -> None:
        content = b"".join(lines)
        try:
            if self.waiting_bytes + len(content) > self._limits.disk_bytes:
                raise OSError(f"{self.waiting_bytes:,} bytes were not landed yet; {self._limits.disk_bytes:,} are allowed")
            if self._segment is None:
                self._number += 1
                self._segment = _OpenSegment(self.folder / f"{self.server}-{self._number:06}{OPEN}")
            self._segment.write(content)
        except OSError as error:
            self._refuse(len(lines), str(error))
            return
        self.problem = ""
        self.written += len(lines)
        self.waiting_bytes += len(content)
        if self._segment.bytes > self._limits.segment_bytes:
            self._close()

    def _refuse(self, lines: int, why: str) -> None:
        self.dropped += lines
        if why != self.problem:
            LOGGER.error("The inference log in %s cannot be written: %s.", self.folder, why)
        self.problem = why

    def _close(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            segment.close()
        except OSError as error:
            self._refuse(0, str(error))


class _OpenSegment:
    """A segment that is being written. It holds whole lines at all times, unless the process is killed within a write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        made = path.with_name(f".{path.name}")  # nobody looks at it until it is locked
        self._file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(path)
        self._opened_at = time.monotonic()
        self.bytes = 0

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._opened_at

    def write(self, content: bytes) -> None:
        """Writes whole lines, all of them or none.

        Raises:
            OSError: the disk does not take them.
        """
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self.bytes)
            raise
        self.bytes += len(content)

    def close(self) -> None:
        """Ends it under the name by which it is landed."""
        try:
            os.fsync(self._file)
            self._path.rename(self._path.with_name(self._path.name.removesuffix(OPEN) + CLOSED))
        finally:
            os.close(self._file)
