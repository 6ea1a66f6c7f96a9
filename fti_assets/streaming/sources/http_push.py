"""Events that are pushed by HTTP: requests wait until theirs are durable, those that come meanwhile are taken together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from fti_assets.errors import FtiError
from fti_assets.streaming.errors import QueueFullError, StreamError
from fti_assets.streaming.processor import Batch, Ingested

MOST_PENDING = 50_000
"""Events that may wait for the online store, in all requests."""
_MOST_AT_ONCE = 10_000


class _Waiting(NamedTuple):
    batch: Batch
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Ingested]


class HttpPush:
    """Batches of requests. The server submits them in its thread; another thread takes and acknowledges them."""

    def __init__(self, *, most_pending: int = MOST_PENDING) -> None:
        self._came: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._given: list[_Waiting] = []
        self._most_pending, self._pending, self._lock, self._closed = most_pending, 0, Lock(), False

    async def submit(self, batch: Batch) -> Ingested:
        """Gives a batch and waits until it is durable.

        Raises:
            QueueFullError: too many events wait already.
            StreamError: the source is closed, or the online store could not be written; no event is kept.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(batch, loop, loop.create_future())
        with self._lock:
            if self._closed:
                raise StreamError("The stream is being stopped.", next_step="Send the events again.")
            if self._pending and self._pending + len(batch.rows) > self._most_pending:
                raise QueueFullError(f"{self._pending:,} events wait to be taken.", next_step="Send them again in a moment.")
            self._pending += len(batch.rows)
            self._came.put(waiting)
        return await waiting.answer

    def batches(self) -> Iterator[Sequence[Batch]]:
        """See `EventSource.batches`."""
        while (first := self._came.get()) is not None:
            self._given, events = [first], len(first.batch.rows)
            while events < _MOST_AT_ONCE and not self._came.empty():
                more = self._came.get()
                if more is None:
                    self._came.put(None)
                    break
                self._given.append(more)
                events += len(more.batch.rows)
            yield [waiting.batch for waiting in self._given]

    def acknowledge(self, batches: Sequence[Batch], outcomes: Sequence[Ingested]) -> None:  # noqa: ARG002 - they are those given
        for waiting, outcome in zip(self._taken(), outcomes, strict=True):
            waiting.loop.call_soon_threadsafe(_answer, waiting.answer, outcome)

    def fail(self, batches: Sequence[Batch], error: FtiError) -> None:  # noqa: ARG002 - they are those given
        for waiting in self._taken():
            waiting.loop.call_soon_threadsafe(_refuse, waiting.answer, StreamError(str(error)))

    def _taken(self) -> list[_Waiting]:
        given, self._given = self._given, []
        with self._lock:
            self._pending -= sum(len(waiting.batch.rows) for waiting in given)
        return given

    def close(self) -> None:
        """Nothing more is taken; what was submitted is still given, unless nobody takes it."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._came.put(None)


def _answer(future: asyncio.Future[Ingested], outcome: Ingested) -> None:
    if not future.done():  # whoever asked may have gone
        future.set_result(outcome)


def _refuse(future: asyncio.Future[Ingested], error: StreamError) -> None:
    if not future.done():
        future.set_exception(error)
