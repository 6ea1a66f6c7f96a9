"""A replay of history: the events of a day, sent by HTTP at the pace at which they happened, or faster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from fti_assets.errors import NotFoundError
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.events import as_event
from fti_assets.vocabulary import FeatureGroup, Window

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore

_TICK = 0.05
_MOST_AT_ONCE = 1000
_PATIENCE = 60.0
"""Seconds for which a server that is away, or has no room, is tried again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of events that were sent, so far.

    Attributes:
        until: time of the last of them.
        accepted: changed something.
        repeated: were there already.
        refused: were not taken.
    """

    until: datetime
    accepted: int = 0
    repeated: int = 0
    refused: int = 0

    def plus(self, until: datetime, answer: Mapping[str, Any]) -> Sent:
        return Sent(
            until,
            self.accepted + answer["accepted"],
            self.repeated + answer["repeated"],
            self.refused + answer["refused_count"],
        )


@dataclass(frozen=True, slots=True)
class EventSender:
    """Sends events to a stream, again where they were not acknowledged."""

    host: str
    port: int
    key: str | None = None

    def is_there(self) -> bool:
        """Whether a stream listens."""
        try:
            with closing(HTTPConnection(self.host, self.port, timeout=2)) as connection:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False

    def send(self, group: str, events: Sequence[bytes]) -> dict[str, Any]:
        """Sends events of a group until they are acknowledged. Returns what became of them.

        Raises:
            StreamError: the server refuses them, or cannot take them for a minute.
        """
        headers = {"Content-Type": "application/x-ndjson"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        until, said = time.monotonic() + _PATIENCE, ""
        while time.monotonic() < until:
            try:
                with closing(HTTPConnection(self.host, self.port, timeout=_PATIENCE)) as connection:
                    connection.request("POST", f"/events/{group}", b"\n".join(events), headers)
                    response = connection.getresponse()
                    status, said = response.status, response.read().decode()
            except (OSError, HTTPException) as error:
                status, said = 503, str(error) or type(error).__name__
            if status in (200, 422):
                answer: dict[str, Any] = json.loads(said)
                return answer
            if status != 503:
                raise StreamError(f"The stream on {self.host}:{self.port} refuses events of '{group}': {status} {said[:300]}")
            time.sleep(0.2)
        raise StreamError(f"The stream on {self.host}:{self.port} could not take events for {_PATIENCE:g} s: {said[:300]}")


def events_of_day(store: FeatureStore, group: FeatureGroup, window: Window) -> list[tuple[datetime, bytes]]:
    """The events of a group in a window, as they are sent, in the order of their times.

    Raises:
        NotFoundError: there is none.
    """
    assert group.event_time is not None  # groups that take events have one
    with store.connect_existing() as connection:
        rows = store.read(connection, group.table, window).order(f'"{group.event_time}"').to_arrow_table().to_pylist()
    if not rows:
        raise NotFoundError(
            f"'{group.table}' has no rows in {window}, so there is nothing to replay.",
            next_step="Publish that day first: fti run SYSTEM --only features.",
        )
    return [(row[group.event_time], as_event(group, row)) for row in rows]


def replay(
    events: Sequence[tuple[datetime, bytes]],
    send: Callable[[Sequence[bytes]], Mapping[str, Any]],
    *,
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Sent]:
    """Sends events at the pace of their times, `speed` times as fast, and tells what became of them after each portion."""
    begun, first = clock(), events[0][0]
    sent, place = Sent(first), 0
    while place < len(events):
        now = first + timedelta(seconds=(clock() - begun) * speed)
        portion: list[tuple[datetime, bytes]] = []
        while place < len(events) and events[place][0] <= now and len(portion) < _MOST_AT_ONCE:
            portion.append(events[place])
            place += 1
        if portion:
            sent = sent.plus(portion[-1][0], send([event for _, event in portion]))
            yield sent
        else:
            sleep(min(_TICK, (events[place][0] - now) / timedelta(seconds=speed)))
