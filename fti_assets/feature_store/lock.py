"""One writer at a time: an inter-process lock whose error names the holder. Readers take none."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from fti_assets.feature_store.errors import LockedError


@contextmanager
def writer_lock(root: Path, *, purpose: str, timeout: float) -> Iterator[None]:
    """Holds the lake's writer lock; the system releases it when the holder dies.

    Args:
        root: folder of the lake.
        purpose: what is being written, shown to those who wait in vain.
        timeout: seconds to wait for the present holder.

    Raises:
        LockedError: the lock was not free within `timeout`; the error names its holder.
    """
    lock = FileLock(root / ".writer.lock")
    holder = root / ".writer.json"
    try:
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise LockedError(
            f"The lake in '{root}' was locked for more than {timeout:g} s by {_describe(holder)}.",
            next_step="Wait for it to finish, or end that process; a dead holder's lock is free at once.",
        ) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": since}))
        yield
    finally:
        lock.release()


def _describe(holder: Path) -> str:
    try:
        note = json.loads(holder.read_text())
    except (OSError, ValueError):
        return "a process that left no note"
    return f"process {note['pid']} on {note['host']} ({note['purpose']}, since {note['since']})"
