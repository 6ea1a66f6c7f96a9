"""The right to write to a folder, for one at a time on this machine; readers need none."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fti_assets.online_store.errors import OnlineLockedError, OnlineStoreError

_PAUSE = 0.002
"""Seconds between two attempts: events are to be readable within milliseconds, also when two write."""
_NOTE = 20
"""Characters of the note of who holds the lock."""


@contextmanager
def held(path: Path, wait: float, of: str) -> Iterator[None]:
    """Holds the lock of a file until the block ends; the system releases it when its holder dies, however that dies.

    Args:
        path: the file, which is made; its folder is there.
        wait: seconds to wait for the present holder.
        of: what is locked, for the message.

    Raises:
        OnlineLockedError: the lock was not free in time; the error names its holder.
        OnlineStoreError: the file cannot be made.
    """
    with _opened(path, of) as file:  # closing it gives the lock back
        _lock(file, wait, of)
        yield


def _opened(path: Path, of: str) -> IO[str]:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
    except OSError as error:
        raise OnlineStoreError(
            f"'{path}' cannot be made, so the {of} cannot be written: {error.strerror}.",
            next_step="See whether this user may write there, and whether there is room.",
        ) from error


def _lock(file: IO[str], wait: float, of: str) -> None:
    until = time.monotonic() + wait
    while not _tried(file):
        if time.monotonic() > until:
            file.seek(0)
            raise OnlineLockedError(
                f"The {of} was locked for more than {wait:g} s by process {file.read().strip() or 'unknown'}.",
                next_step="Wait for it to finish, or end that process; a dead one's lock is free at once.",
            )
        time.sleep(_PAUSE)
    with suppress(OSError):  # the note is for those who wait; a full disk is met again by what is written
        os.pwrite(file.fileno(), f"{os.getpid():<{_NOTE}}".encode(), 0)  # to cut the file off first would cost milliseconds


def _tried(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
