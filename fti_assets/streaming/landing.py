"""Events into the lake, in small batches: each is there once, whatever is killed between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from fti_assets.errors import FtiError
from fti_assets.online_store import OnlineStore, event_queue
from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.landing_process import Upserted

_log = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds after which the events that wait are landed."""
MOST = 20_000
"""Events that are landed at once; when so many wait, it is done before its time."""
_REMOVED_AT_ONCE = 500
_BREATH = 0.01
"""Seconds in which others may write to the online store; a writer that waits looks every two milliseconds."""
_LOOK = 0.25
_LONGEST_PAUSE = 60.0
Upsert = Callable[[StreamedGroup, int], Upserted | None]


@dataclass(frozen=True, slots=True)
class Landed:
    """What was landed.

    Attributes:
        events: that were taken from the queue.
        changed: rows of the lake that are new or altered.
        seconds: that it took.
    """

    events: int
    changed: int
    seconds: float


class Lander:
    """Takes events from the queue of a group into its table of the lake."""

    def __init__(self, online: OnlineStore, upsert: Upsert, streamed: StreamedGroup, *, most: int = MOST) -> None:
        """Nothing is done yet.

        Args:
            online: where events wait.
            upsert: brings so many of those that have waited longest into the lake, see `upserting.upsert`.
            streamed: whose events they are.
            most: events that are landed at once.
        """
        self.streamed, self._online, self._upsert, self._most = streamed, online, upsert, most

    def waiting(self) -> int:
        with self._online.reading() as reader:
            return event_queue.waiting(reader, self.streamed.group)

    def land(self) -> Landed | None:
        """Lands the events that have waited longest; None where none waits.

        Killed before the queue knows, the same events are landed again, which changes nothing.

        Raises:
            FtiError: the lake or the online store cannot be written; the events wait on.
        """
        started = time.perf_counter()
        found = self._upsert(self.streamed, self._most) if self.waiting() else None
        if found is None:
            return None
        self._remove(found.end)
        return Landed(found.events, found.changed, time.perf_counter() - started)

    def _remove(self, end: int) -> None:
        """Takes landed events from the queue, a few at a time, so that those that come do not wait for it."""
        while True:
            with self._online.writing() as writer:
                removed = event_queue.remove(writer, self.streamed.group, end, _REMOVED_AT_ONCE)
            if removed < _REMOVED_AT_ONCE:
                return
            time.sleep(_BREATH)


class Landing:
    """Lands the events of several groups, again and again, until it is stopped. What the lake refuses waits on."""

    def __init__(
        self,
        landers: Sequence[Lander],
        *,
        every: float = EVERY,
        most: int = MOST,
        landed: Callable[[StreamedGroup, Landed], None] = lambda *_: None,
        failed: Callable[[StreamedGroup, Exception], None] = lambda *_: None,
    ) -> None:
        """Nothing is done yet.

        Args:
            landers: one for each group.
            every: seconds between two landings of a group.
            most: when so many events wait, they are landed at once.
            landed: is told what was landed.
            failed: is told when nothing could be.
        """
        self._landers, self._every, self._most, self._landed, self._failed = landers, every, most, landed, failed
        self._stopped = Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        """Lands until it is stopped."""
        due = dict.fromkeys(self._landers, time.monotonic() + self._every)
        pauses = dict.fromkeys(self._landers, self._every)
        while not self._stopped.wait(min(_LOOK, self._every)):
            for lander in self._landers:
                if time.monotonic() >= due[lander] or (pauses[lander] == self._every and self._are_many(lander)):
                    pauses[lander] = self._every if self.land(lander) else min(2 * pauses[lander], _LONGEST_PAUSE)
                    due[lander] = time.monotonic() + pauses[lander]

    def _are_many(self, lander: Lander) -> bool:
        try:
            return lander.waiting() >= self._most
        except FtiError:  # it is told when it is landed
            return False

    def land(self, lander: Lander) -> bool:
        """Lands what waits, batch by batch. Returns whether that could be done."""
        try:
            while (found := lander.land()) is not None:
                self._landed(lander.streamed, found)
                if found.events < self._most or self._stopped.is_set():
                    break
        except FtiError as error:
            _log.warning("Events of %s wait on, since they could not be landed: %s", lander.streamed.name, error)
            self._failed(lander.streamed, error)
            return False
        return True
