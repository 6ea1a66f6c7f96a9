"""The routes that predict: what is the same for all of them, from the first byte of a request to the last line of the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from fti_assets.api_keys import ApiKeys
from fti_assets.serving.admission import Admission, OverloadError
from fti_assets.serving.errors import RequestError
from fti_assets.serving.http import (
    JSON,
    DisconnectedError,
    Headers,
    Receive,
    Scope,
    Send,
    check_type,
    header,
    read_body,
    send_bytes,
    send_error,
)
from fti_assets.serving.log_records import LogRecords
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.metrics import Metrics
from fti_assets.serving.prediction import Answer, Predictor
from fti_assets.serving.request_reading import Asked, RequestReader
from fti_assets.serving.served_model import Answering
from fti_assets.serving.settings import Limits
from fti_assets.serving.shadow import Shadow

LOGGER = logging.getLogger("fti.serving")
_AS_JSON = orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Serving:
    """All that a model is served with.

    Attributes:
        predictor: answers.
        reader: reads bodies.
        records: makes lines of the log, which `log` writes.
        shadow: where the challenger scores in the shadow; else None.
        now: the present, in microseconds.
    """

    predictor: Predictor
    reader: RequestReader
    records: LogRecords
    log: LogWriter
    shadow: Shadow | None
    now: Callable[[], int]


@dataclass(frozen=True, slots=True)
class House:
    """What all models of a server have in common.

    Attributes:
        at_once: rows of a request up to which it is answered where it came in; others, and those that ask for reasons, are
            answered in a thread, so that nobody else is kept waiting.
        at_once_alone: the same for a request that is alone in the server.
    """

    limits: Limits
    admission: Admission
    metrics: Metrics
    keys: ApiKeys | None
    at_once: int
    at_once_alone: int

    def is_soon_done(self, asked: Asked) -> bool:
        """Whether a request, which is in the server, is answered where it came in."""
        most = self.at_once_alone if self.admission.inside == 1 else self.at_once
        return len(asked.rows) <= most and not asked.explain


class PredictionRoute:
    """An ASGI application: `POST /predict/MODEL`.

    Args:
        serving: the model.
        house: the server.
    """

    route = "predict"

    def __init__(self, serving: Serving, house: House) -> None:
        self._serving, self._house = serving, house
        self._model = serving.predictor.served.name
        self._counted = house.metrics.routes[self._model, self.route]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 200
        answer = None
        try:
            answer = await self._serve(scope, receive, send, began)
        except DisconnectedError:
            status = 499
        except RequestError as error:
            status = error.status
            if isinstance(error, OverloadError):
                self._house.metrics.rejected.labels(error.reason).inc()
            await send_error(receive, send, error, self.said_of(error))
        except Exception:
            status = 500
            LOGGER.exception("A request to '%s' failed.", self._model)
            failed = RequestError(500, "The server failed; its log says where.")
            await send_error(receive, send, failed, self.said_of(failed))
        seconds = time.perf_counter() - began
        self._counted.total.observe(seconds)
        self._house.metrics.count_status(self._model, self.route, status)
        if answer is not None:
            self._note(answer, seconds)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, began: float) -> Answer:
        admission = self._house.admission
        await admission.enter()
        try:
            answer, body, headers = await self._answer(scope, receive, began)
            await send_bytes(send, 200, body, headers)
            return answer
        finally:
            admission.leave()

    async def _answer(self, scope: Scope, receive: Receive, began: float) -> tuple[Answer, bytes, Headers]:
        house, predictor = self._house, self._serving.predictor
        check_key(house.keys, scope)
        self.check_type(scope)
        until = began + house.limits.seconds
        body = await read_body(scope, receive, most=house.limits.body_bytes, until=until)
        asked, told = self.read(scope, body)
        answering = predictor.served.answering
        if answering.champion is None:
            raise not_ready(self._model)
        if house.is_soon_done(asked):
            return self._made(asked, told, answering)
        return await house.admission.run(lambda: self._made(asked, told, answering), until=until)

    def _made(self, asked: Asked, told: Any, answering: Answering) -> tuple[Answer, bytes, Headers]:
        answer = self._serving.predictor.answer(asked, answering, self._counted)
        return answer, *self.write(answer, told)

    def _note(self, answer: Answer, seconds: float) -> None:
        """Logs an answer, after it was given."""
        serving = self._serving
        self._counted.rows.inc(len(answer.predictions))
        serving.log.put(serving.records.of_answer(answer, int(seconds * 1e6)))
        challenger = serving.predictor.served.answering.challenger
        if serving.shadow is not None and challenger is not None:
            serving.shadow.put(answer, challenger)

    def check_type(self, scope: Scope) -> None:
        """Refuses a body of another type; raises RequestError."""
        check_type(scope)

    def read(self, scope: Scope, body: bytes) -> tuple[Asked, Any]:  # noqa: ARG002 - other routes need the headers
        """What is asked, and what `write` needs to know of it; raises RequestError."""
        return self._serving.reader.read(body, self._serving.now), None

    def write(self, answer: Answer, told: Any) -> tuple[bytes, Headers]:  # noqa: ARG002
        """An answer as bytes, and their headers."""
        return orjson.dumps(self._serving.predictor.as_data(answer), option=_AS_JSON), [(b"content-type", JSON)]

    def said_of(self, error: RequestError) -> Any:
        """An error as JSON has it."""
        return error.as_data()


def check_key(keys: ApiKeys | None, scope: Scope) -> None:
    """Refuses a request without a key that may ask, where keys are needed.

    Raises:
        RequestError: 401.
    """
    if keys is None:
        return
    bearer, key = (header(scope, name).decode("latin-1") for name in (b"authorization", b"x-api-key"))
    if not keys.check(bearer, key):
        raise RequestError(
            401,
            "Nobody has this key." if bearer or key else "The request has no key.",
            where="header Authorization",
            expected="Bearer KEY",
            next_step="Ask whoever runs the server for a key.",
        )


def not_ready(model: str) -> RequestError:
    return RequestError(
        503,
        f"No version of model '{model}' answers yet.",
        next_step="GET /readyz says why.",
        retry_after=5,
    )
