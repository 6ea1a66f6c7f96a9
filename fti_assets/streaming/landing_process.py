"""The process beside a stream that writes to the lake.

DuckDB and Arrow take seconds to be imported and compute for as long at each landing; events that come are not to wait for that.
"""

from __future__ import annotations

import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from fti_assets.online_store import OnlineStore
from fti_assets.streaming.errors import LandingError
from fti_assets.streaming.groups import StreamedGroup

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from fti_assets.feature_store import FeatureStore

_PROGRAM = "fti_assets.streaming.upserting"


@dataclass(frozen=True, slots=True)
class Upserted:
    """Events that are in the lake.

    Attributes:
        events: how many of the queue.
        changed: rows of the lake that are new or altered.
        end: number in the queue behind the last of them.
    """

    events: int
    changed: int
    end: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing could be upserted."""

    reason: str


class LandingProcess:
    """Starts the process when there is first something to land, and again when it has died. It dies with this one."""

    def __init__(self, online: OnlineStore, open_lake: Callable[[], FeatureStore]) -> None:
        """Nothing is started yet.

        Args:
            online: where events wait.
            open_lake: called by the process; it is found there by its name, so it is a function of a module, or a `partial` of one.
        """
        self._online, self._open_lake, self._lock = online, open_lake, Lock()
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None where none was started, or its death is known."""
        return None if self._running is None else self._running[0].pid

    def upsert(self, streamed: StreamedGroup, most: int) -> Upserted | None:
        """See `upserting.upsert`, for as many events at most.

        Raises:
            LandingError: the lake or the online store refuses, or the process died; the events wait on.
        """
        with self._lock:
            process, connection = self._running = self._running or self._started()
            try:
                connection.send((streamed, most))
                answer = connection.recv()
            except (EOFError, OSError) as error:
                self._running = None
                connection.close()
                raise _death(process) from error
        if isinstance(answer, Refusal):
            raise LandingError(answer.reason)
        return answer  # type: ignore[no-any-return]

    def _started(self) -> tuple[subprocess.Popen[bytes], Connection]:
        from multiprocessing.connection import Connection

        task = pickle.dumps((self._online.address, self._open_lake))
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", _PROGRAM, str(theirs.fileno())]
            try:
                process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    process_group=0,  # a terminal's Ctrl-C is for the stream, which ends this one when it has landed
                )
            except OSError as error:
                ours.close()
                raise LandingError(f"The process that writes to the lake cannot be started: {error.strerror}.") from error
        connection = Connection(ours.detach())
        connection.send_bytes(task)
        return process, connection

    def end(self) -> None:
        """Ends the process, whatever it is doing; events that are half landed are landed again, which changes nothing."""
        running = self._running
        if running is not None:
            running[0].kill()
            running[0].wait()


def _death(process: subprocess.Popen[bytes]) -> LandingError:
    process.kill()  # it may have closed its end only
    status = process.wait()
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
    return LandingError(
        f"The process that writes to the lake {how}.", next_step="It is started again; see the log for what it said."
    )
