"""Events into the lake, in small batches: each is there once, whatever is killed between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from fti_assets.errors import FtiError
from fti_assets.online_store import OnlineStore, event_queue
from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.processor import as_table

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore

_log = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds after which the events that wait are landed."""
MOST = 20_000
"""Events that are landed at once; when so many wait, it is done before its time."""
_LOOK = 0.25
_LONGEST_PAUSE = 60.0


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

    def __init__(self, online: OnlineStore, store: FeatureStore, streamed: StreamedGroup, *, most: int = MOST) -> None:
        self.streamed, self._online, self._store, self._most = streamed, online, store, most

    def waiting(self) -> int:
        with self._online.reading() as reader:
            return event_queue.waiting(reader, self.streamed.group)

    def land(self) -> Landed | None:
        """Lands the events that have waited longest; None where none waits.

        Killed before the queue knows, the same events are landed again, which changes nothing. An event in whose place a later
        one waits is left to that one.

        Raises:
            FtiError: the lake or the online store cannot be written; the events wait on.
            duckdb.Error: likewise.
        """
        started = time.perf_counter()
        with self._online.reading() as reader:
            queued = event_queue.oldest(reader, self.streamed.group, self._most)
        if not queued:
            return None
        rows = [one.row for one in queued if one.is_last]
        changed = self._store.upsert(self.streamed.group, as_table(self.streamed, rows), run="stream").changed if rows else 0
        with self._online.writing() as writer:
            event_queue.remove(writer, self.streamed.group, queued)
        return Landed(len(queued), changed or 0, time.perf_counter() - started)


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
        import duckdb

        try:
            while (found := lander.land()) is not None:
                self._landed(lander.streamed, found)
                if found.events < self._most or self._stopped.is_set():
                    break
        except (FtiError, duckdb.Error, OSError) as error:
            _log.warning("Events of %s wait on, since they could not be landed: %s", lander.streamed.name, error)
            self._failed(lander.streamed, error)
            return False
        return True
