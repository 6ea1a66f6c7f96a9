"""The HTTP interface of a stream: `POST /events/GROUP` with one JSON object a line, answered when the events are durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fti_assets.api_keys import ApiKeys
from fti_assets.errors import NotFoundError
from fti_assets.online_store import OnlineStoreError
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.events import Refused, Row
from fti_assets.streaming.metrics import CONTENT_TYPE, Metrics
from fti_assets.streaming.processor import Batch, Ingested, StreamProcessor
from fti_assets.streaming.sources.http_push import HttpPush

NDJSON = "application/x-ndjson"
LARGEST_BODY = 1 << 20
_READ_THROUGH = 16 << 20
"""Bytes of a body that is too large that are read all the same, since who is sending reads no answer."""
SLOWEST_BODY = 30.0
"""Seconds within which a body has to be there."""
_SHOWN = 100
"""Refused events that an answer tells of; all of them are among the dead letters."""
_AT_ONCE = 500
"""Lines that are read before other requests have their turn."""


class _Answer(Exception):  # noqa: N818 - an answer that ends the request early
    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status, self.message, self.headers = status, message, headers
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class StreamApp:
    """Routes of a stream.

    Attributes:
        source: what is given what was sent; None where events come from elsewhere.
        processor: reads it.
        keys: who may send; None asks nobody for a key.
        is_well: whether events are being taken.
    """

    source: HttpPush | None
    processor: StreamProcessor
    metrics: Metrics
    keys: ApiKeys | None
    is_well: Callable[[], bool]
    largest_body: int = LARGEST_BODY

    def routes(self) -> Starlette:
        shown = [Route("/healthz", self.health, methods=["GET"]), Route("/metrics", self.show_metrics, methods=["GET"])]
        return Starlette(routes=[Route("/events/{group}", self.push, methods=["POST"]), *shown] if self.source else shown)

    async def push(self, request: Request) -> Response:
        """Takes events; the answer comes when they are durable and can be read."""
        try:
            self._check(request)
            batch = await self._read(request.path_params["group"], await self._body(request))
            assert self.source is not None  # or there is no such route
            outcome = await self.source.submit(batch)
        except _Answer as answer:
            return _json(answer.status, {"error": answer.message}, **answer.headers)
        except StreamError as error:
            return _json(503, {"error": str(error)}, retry_after="1")
        except ClientDisconnect:
            return Response(status_code=400)
        return _told(batch, outcome)

    async def health(self, _: Request) -> Response:
        try:
            waiting = self.processor.waiting()
        except OnlineStoreError as error:
            return _json(503, {"status": "the online store cannot be read", "error": str(error)})
        is_well = self.is_well()
        return _json(200 if is_well else 503, {"status": "ok" if is_well else "stopped", "waiting": waiting})

    async def show_metrics(self, _: Request) -> Response:
        with suppress(OnlineStoreError):
            self.metrics.waiting(self.processor.waiting())
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    def _check(self, request: Request) -> None:
        """Refuses who may not send, and what cannot be read.

        Raises:
            _Answer: 401 or 415.
        """
        if self.keys is not None and not self.keys.check(request.headers.get("authorization"), request.headers.get("x-api-key")):
            raise _Answer(401, "A key is needed: send the header Authorization: Bearer KEY.", www_authenticate="Bearer")
        said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != NDJSON or request.headers.get("content-encoding", "identity") != "identity":
            raise _Answer(
                415, f"The body is said to be '{said[:60]}'; expected is {NDJSON}, one JSON object a line, not compressed."
            )

    async def _body(self, request: Request) -> bytes:
        """The body; of one that is too large no more is kept than may be.

        Raises:
            _Answer: 408 or 413.
        """
        parts, size = [], 0
        try:
            async with asyncio.timeout(SLOWEST_BODY):
                async for part in request.stream():
                    size += len(part)
                    if size <= self.largest_body:
                        parts.append(part)
                    elif size > _READ_THROUGH:
                        break
        except TimeoutError:
            raise _Answer(408, f"The body did not come within {SLOWEST_BODY:g} s.", connection="close") from None
        if size > self.largest_body:
            raise _too_large(self.largest_body)
        return b"".join(parts)

    async def _read(self, group: str, body: bytes) -> Batch:
        """The events of a body; other requests have their turn while a large one is read."""
        lines = body.split(b"\n")
        rows: list[Row] = []
        refused: list[Refused] = []
        for start in range(0, len(lines), _AT_ONCE):
            try:
                some = self.processor.read(group, lines[start : start + _AT_ONCE])
            except NotFoundError as error:
                raise _Answer(404, str(error)) from None
            rows += some.rows
            refused += [one._replace(line=start + one.line) for one in some.refused]
            if len(lines) > _AT_ONCE:
                await asyncio.sleep(0)
        return Batch(group, rows, refused)


def _told(batch: Batch, outcome: Ingested) -> Response:
    """What became of the events: 200, 422 where all were refused, 503 where none could be taken."""
    if outcome.error is not None:
        return _json(503, {"error": outcome.error}, retry_after="5")
    accepted = outcome.new + outcome.corrected + outcome.late
    said = {
        "accepted": accepted,
        "repeated": outcome.repeated,
        "corrected": outcome.corrected,
        "late": outcome.late,
        "refused": [{"line": one.line, "reason": one.reason} for one in batch.refused[:_SHOWN]],
        "refused_count": len(batch.refused),
    }
    return _json(422 if batch.refused and not accepted + outcome.repeated else 200, said)


def _too_large(most: int) -> _Answer:
    return _Answer(413, f"The body is larger than {most:,} bytes; send the events in several requests.", connection="close")


def _json(status: int, said: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(orjson.dumps(said), status_code=status, media_type="application/json", headers=named)
