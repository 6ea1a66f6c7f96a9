"""Open LMDB environments: one for each file and process, shared by all that use it; and what LMDB's errors mean."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from fti_assets.online_store.errors import OnlineStoreError

ROOM = 1 << 40
"""Bytes of address space that a file may grow into; no disk and no memory is taken by it."""
_LEAST_ROOM = 1 << 30
PREFIX_LENGTH = 4
LONGEST_KEY = 511 - PREFIX_LENGTH
"""Bytes of the longest key; LMDB takes 511, the prefix of the table included."""


class Environment:
    """An open LMDB environment.

    Attributes:
        lmdb: the environment of the library.
        is_closed: whether it must not be used any more.
        users: what has a transaction in it now.
    """

    def __init__(self, opened: Any) -> None:
        self.lmdb = opened
        self.is_closed = False
        self.users: set[object] = set()
        self._prefixes: tuple[int, dict[str, bytes]] = (-1, {})

    def enter(self, user: object) -> bool:
        """Counts a user among those who have a transaction. Returns whether it may have one; if not, it looks for another."""
        self.users.add(user)
        if self.is_closed:
            self.users.discard(user)
        return not self.is_closed

    def leave(self, user: object) -> None:
        self.users.discard(user)

    def prefixes(self, snapshot: int) -> dict[str, bytes]:
        """What is known of the prefixes of tables as of a snapshot; what is found out goes into it."""
        known = self._prefixes
        if known[0] != snapshot:
            self._prefixes = known = (snapshot, {})
        return known[1]

    def __del__(self) -> None:
        if not self.is_closed:
            self.lmdb.close()  # a reader that somebody kept after its block would hold it open

    def close_unused(self, wait: float) -> None:
        """Closes it when all users have left, which it waits for; if some have not by then it stays open."""
        until = time.monotonic() + wait
        self.is_closed = True  # nobody enters any more
        while self.users and time.monotonic() < until:
            time.sleep(0.0005)
        if self.users:
            self.is_closed = False
        else:
            self.lmdb.close()


_OPEN: WeakValueDictionary[tuple[int, int], Environment] = WeakValueDictionary()
_OF_PARENT: list[Environment] = []
"""Environments that a thread was using when this process was forked. To close them here would be to take their snapshots from
that thread, and LMDB opens no file twice."""
_GATE = RLock()
_FORK_WAITS = 0.2
"""Seconds that a fork waits for transactions of other threads to end; new ones wait for the fork."""


def environment_of(folder: Path, room: int, *, durable: bool) -> Environment:
    """The environment of a folder that is there, opened unless it is open in this process; closed when nobody has it any more.

    Raises:
        OnlineStoreError: it cannot be opened.
    """
    file = folder / "data.mdb"
    with _GATE, explained(folder):
        found = _OPEN.get(_identity(file))
        if found is None or found.is_closed:
            _refuse_of_parent(folder)
            found = Environment(_opened(folder, room, durable=durable))
            _OPEN[_identity(file)] = found
        return found


def _opened(folder: Path, room: int, *, durable: bool) -> Any:
    while True:
        try:
            return lmdb.open(str(folder), map_size=room, max_readers=1024, max_spare_txns=1, sync=durable, metasync=durable)
        except lmdb.MemoryError:  # the address space of this process is limited
            if room <= _LEAST_ROOM:
                raise
            room //= 4


def _identity(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _before_fork() -> None:
    """Closes what is open: parent and child open it again when they need it."""
    _GATE.acquire()
    for one in list(_OPEN.values()):
        one.close_unused(_FORK_WAITS)


def _after_fork_in_child() -> None:
    _OF_PARENT.extend(one for one in _OPEN.values() if not one.is_closed)
    for one in _OF_PARENT:
        one.is_closed = True
    _OPEN.clear()
    _GATE.release()


os.register_at_fork(before=_before_fork, after_in_parent=_GATE.release, after_in_child=_after_fork_in_child)


def _refuse_of_parent(folder: Path) -> None:
    if any(Path(one.lmdb.path()).resolve() == folder.resolve() for one in _OF_PARENT):
        raise OnlineStoreError(
            f"This process was forked while it was reading the online store '{folder}', so it cannot open it.",
            next_step="Fork outside of any transaction, or start the process anew (spawn).",
        )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Errors of LMDB say what they mean."""
    try:
        yield
    except lmdb.Error as error:
        raise explanation(error, folder) from error


_FULL = ("No space left", "File too large", "Input/output error")
"""How the system says that a disk is full; the last is LMDB's, of a page of which only a part could be written."""
_DAMAGED = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PanicError, lmdb.VersionMismatchError)


def explanation(error: lmdb.Error, folder: Path) -> OnlineStoreError:
    """What went wrong, and what to do; nothing of a transaction is left then."""
    store = f"online store '{folder}'"
    if isinstance(error, lmdb.MapFullError):
        return OnlineStoreError(f"The {store} has grown into all the room that it has.", next_step="Move it to Redis.")
    if any(words in str(error) for words in _FULL):
        return OnlineStoreError(
            f"The disk of the {store} is full, or fails; what was begun was undone.", next_step="Make room, and do it again."
        )
    if isinstance(error, lmdb.BadValsizeError):
        return OnlineStoreError(f"A key is longer than {LONGEST_KEY} bytes, or empty; the {store} takes no such key.")
    if isinstance(error, lmdb.ReadersFullError):
        return OnlineStoreError(f"The {store} has more readers at once than it takes.", next_step="End some of the processes.")
    if isinstance(error, _DAMAGED):
        return OnlineStoreError(
            f"The {store} is damaged, or no store: {error}.",
            next_step="Remove the folder and load it again from the lake: `fti online load SYSTEM --full`.",
        )
    return OnlineStoreError(
        f"The {store} cannot be opened, read or written: {error}.", next_step="See whether this user may write there."
    )
