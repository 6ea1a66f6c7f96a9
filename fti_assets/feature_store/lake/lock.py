"""One writer at a time: an inter-process lock whose error names the holder. Readers take none."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from fti_assets.feature_store.errors import LockedError

StillHeld = Callable[[], None]
"""Raises LockedError when the lock was lost since it was taken."""


class WriterLock(Protocol):
    """The right to write to one lake; it is free again when its holder ends, however it ends."""

    def hold(self, purpose: str, *, timeout: float) -> AbstractContextManager[StillHeld]:
        """Holds the lock until the block ends.

        Args:
            purpose: what is being written, shown to those who wait in vain.
            timeout: seconds to wait for the present holder.

        Raises:
            LockedError: the lock was not free within `timeout`; the error names its holder.
        """


@dataclass(frozen=True, slots=True)
class FileWriterLock:
    """A lock on a file of the lake's folder, among the processes of one machine; the system releases it when the holder dies."""

    folder: Path

    @contextmanager
    def hold(self, purpose: str, *, timeout: float) -> Iterator[StillHeld]:
        lock = FileLock(self.folder / ".writer.lock")
        note = self.folder / ".writer.json"
        try:
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise locked(f"'{self.folder}'", timeout, _described(note)) from error
        try:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": since}
            note.write_text(json.dumps(holder))
            yield _always_held
        finally:
            lock.release()


def locked(lake: str, timeout: float, holder: str) -> LockedError:
    """The error of a writer that waited in vain."""
    return LockedError(
        f"The lake in {lake} was locked for more than {timeout:g} s by {holder}.",
        next_step="Wait for it to finish, or end that process; a dead holder's lock is free at once.",
    )


def _always_held() -> None:
    """The system takes no lock away from a living process."""


def _described(note: Path) -> str:
    try:
        holder = json.loads(note.read_text())
    except (OSError, ValueError):
        return "a process that left no note"
    return f"process {holder['pid']} on {holder['host']} ({holder['purpose']}, since {holder['since']})"
