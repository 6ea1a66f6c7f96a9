"""Answers of the routes that are not in a hurry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fti_assets.serving.errors import RequestError

Handler = Callable[[Request], Awaitable[Response]]


def json_response(said: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(said, option=orjson.OPT_UTC_Z), status, headers, media_type="application/json")


def answered(say: Callable[[Request], Any]) -> Handler:
    """A handler that answers with JSON, or with the error that `say` raises."""

    @refused
    async def handler(request: Request) -> Response:
        return json_response(say(request))

    return handler


def refused(handler: Handler) -> Handler:
    """The handler, whose errors are answered as JSON: as the protocol wants it below `/v2`, else as everywhere."""

    async def refusing(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestError as error:
            retry = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
            said = {"error": str(error)} if request.url.path.startswith("/v2") else error.as_data()
            return json_response(said, error.status, retry)

    return refusing
