"""Events of Redis streams, followed by a consumer group: acknowledged when durable, read again after a restart until then."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from fti_assets.errors import FtiError
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.processor import Batch, Ingested, StreamProcessor

_log = logging.getLogger(__name__)
FIELD = b"event"
"""Field of an entry that holds the event, a JSON object."""
_AT_ONCE = 1000
_BLOCK = 500
"""Milliseconds that a read waits for events."""
_IDLE = 60_000
"""Milliseconds after which what another consumer has not acknowledged is taken over."""
_LOOK_EVERY = 20
"""Reads between two looks for that."""
_LONGEST_PAUSE = 5.0


class _Entry(NamedTuple):
    stream: bytes
    id: bytes
    data: bytes


class RedisStreams:
    """The streams `PREFIX:GROUP`, one for each feature group, as a consumer group reads them.

    Several processes may share the work. Entries stay in the streams; who writes them limits their length (XADD ... MAXLEN).
    """

    def __init__(self, address: str, processor: StreamProcessor, *, consumer: str | None = None, idle: int = _IDLE) -> None:
        """Nothing is connected yet.

        Args:
            address: `redis://host:port/db`, with `?prefix=fti:events&group=fti` where these are others.
            processor: reads the events.
            consumer: of the consumer group, the same after a restart; the name of the host and its folder unless given.
            idle: milliseconds after which what another consumer has not acknowledged is taken over.

        Raises:
            StreamError: the client of Redis is not installed, or the address is none.
        """
        parts = urlsplit(address)
        said = parse_qs(parts.query)
        self._client = _client(parts._replace(query="").geturl())
        self._prefix, self._group = said.get("prefix", ["fti:events"])[0], said.get("group", ["fti"])[0]
        self._streams = {f"{self._prefix}:{name}".encode(): name for name in processor.groups}
        self._consumer = consumer or f"{socket.gethostname()}:{os.environ.get('FTI_DATA_DIR', 'data')}"
        self._processor, self._idle = processor, idle
        self._closed = Event()
        self._given: list[list[_Entry]] = []
        self._reads_own, self._reads = True, 0

    def batches(self) -> Iterator[Sequence[Batch]]:
        """See `EventSource.batches`. A server that is away is waited for."""
        import redis

        pause = 0.1
        is_ready = False
        while not self._closed.is_set():
            try:
                if not is_ready:
                    self._join()
                    is_ready = True
                entries = self._read()
                pause = 0.1
            except redis.RedisError as error:
                _log.warning("Events of Redis cannot be read, and are waited for: %s", error)
                is_ready = False
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if entries:
                self._given = [list(some) for _, some in groupby(entries, lambda entry: entry.stream)]
                yield [self._processor.read(self._streams[some[0].stream], [one.data for one in some]) for some in self._given]

    def acknowledge(self, batches: Sequence[Batch], outcomes: Sequence[Ingested]) -> None:  # noqa: ARG002 - they are those given
        """Entries whose acknowledgement is lost come again, and are known then."""
        import redis

        given, self._given = self._given, []
        try:
            for some, outcome in zip(given, outcomes, strict=True):
                if outcome.error is None:
                    self._client.xack(some[0].stream, self._group, *(entry.id for entry in some))
                else:
                    self._hold_up(outcome.error)
        except redis.RedisError as error:
            _log.warning("Events could not be acknowledged, and will come again: %s", error)
            self._reads_own = True

    def fail(self, batches: Sequence[Batch], error: FtiError) -> None:  # noqa: ARG002 - they are those given
        self._given = []
        self._hold_up(str(error))

    def _hold_up(self, why: str) -> None:
        """What was given is read again, after a while."""
        self._reads_own = True
        _log.warning("Events of Redis wait: %s", why)
        self._closed.wait(1.0)

    def close(self) -> None:
        self._closed.set()

    def _join(self) -> None:
        """Makes the consumer group, from the beginning of each stream, where there is none yet."""
        import redis

        for stream in self._streams:
            try:
                self._client.xgroup_create(stream, self._group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._reads_own = True

    def _read(self) -> list[_Entry]:
        """What was given before and not acknowledged, then what others left, then what is new."""
        if self._reads_own:
            own = self._entries(self._client.xreadgroup(self._group, self._consumer, dict.fromkeys(self._streams, "0"), _AT_ONCE))
            if own:
                return own
            self._reads_own = False
        self._reads += 1
        if self._reads % _LOOK_EVERY == 1 and (left := self._left_by_others()):
            return left
        new = dict.fromkeys(self._streams, ">")
        return self._entries(self._client.xreadgroup(self._group, self._consumer, new, _AT_ONCE, block=_BLOCK))

    def _left_by_others(self) -> list[_Entry]:
        found = []
        for stream in self._streams:
            _, entries, *_ = self._client.xautoclaim(stream, self._group, self._consumer, self._idle, "0-0", count=_AT_ONCE)
            found += self._entries([(stream, entries)])
        return found

    def _entries(self, found: Any) -> list[_Entry]:
        """Entries as they were read; one that was deleted meanwhile has no fields, and is passed over."""
        read = found.items() if isinstance(found, dict) else found or ()
        pairs = [(stream, *entry) for stream, entries in read for entry in _flat(entries)]
        deleted = sum(not fields for *_, fields in pairs)
        if deleted:
            _log.warning("%d events were deleted from Redis before they were acknowledged.", deleted)
        return [_Entry(stream, number, fields.get(FIELD, b"{}") if fields else b"") for stream, number, fields in pairs]


def _flat(entries: Any) -> Any:
    """Entries of one stream: newer protocols of Redis put them into a list more."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _client(address: str) -> Any:
    try:
        import redis
    except ModuleNotFoundError as error:
        raise StreamError("Redis' client is not installed.", next_step="pip install 'fti-assets[redis]'") from error
    try:
        return redis.Redis.from_url(address, socket_timeout=10, health_check_interval=30)
    except ValueError as error:
        raise StreamError("The address of the source is not redis://host:port/db.") from error
