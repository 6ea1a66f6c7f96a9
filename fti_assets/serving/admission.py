"""How many requests may be in the server at once. What comes beyond that is told to come again, so that the others are quick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fti_assets.serving.errors import RequestError
from fti_assets.serving.settings import Limits

_T = TypeVar("_T")
RETRY_AFTER = 1


class Admission:
    """Counts the requests that are inside, and gives threads to those that take long.

    Args:
        limits: how many, and how long they may wait.
        threads: for requests that take long.
    """

    def __init__(self, limits: Limits, threads: int) -> None:
        self._limits, self._count = limits, threads
        self.inside = 0
        self._free = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="long requests")

    async def enter(self) -> None:
        """Lets a request in; `leave` ends it.

        Raises:
            RequestError: 503, there are too many.
        """
        if self.inside >= self._limits.waiting:
            raise _too_many(f"{self.inside} requests are in the server", "crowded")
        self.inside += 1
        try:
            await asyncio.sleep(0)  # all that came at the same time is counted before the first of it is worked on
        except BaseException:
            self.inside -= 1
            raise

    def leave(self) -> None:
        self.inside -= 1

    async def run(self, work: Callable[[], _T], *, until: float) -> _T:
        """Does work that takes long in a thread, so that other requests go on meanwhile.

        Args:
            work: is not broken off, but nobody waits for it any longer than that.
            until: by `time.perf_counter`.

        Raises:
            RequestError: 503, all threads were busy for too long, or the work was not done in time.
        """
        try:
            async with asyncio.timeout(self._limits.waiting_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise _too_many(f"All {self._count} threads for long requests are busy", "busy") from None
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(self._is_done)
        try:
            async with asyncio.timeout(max(0.0, until - time.perf_counter())):
                return await asyncio.shield(running)
        except TimeoutError:
            raise _too_many(f"The request took longer than {self._limits.seconds:g} s", "slow") from None

    def _is_done(self, running: asyncio.Future[Any]) -> None:
        self._free.release()
        if not running.cancelled():
            running.exception()  # nobody may be there any more to look at it

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class OverloadError(RequestError):
    """The server has too much to do.

    Attributes:
        reason: one word, for metrics.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(503, what, next_step=f"Ask again in {RETRY_AFTER} s.", retry_after=RETRY_AFTER)
        self.reason = reason


def _too_many(what: str, reason: str) -> OverloadError:
    return OverloadError(f"{what}.", reason)
