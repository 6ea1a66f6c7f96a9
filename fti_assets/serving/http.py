"""HTTP as the routes for predictions speak it: bodies read within limits, answers written in one go. No framework is in between."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import orjson

from fti_assets.serving.errors import RequestError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = b"application/json"
LINGER_SECONDS = 1.0


class DisconnectedError(Exception):
    """Nobody waits for the answer any more."""


def header(scope: Scope, name: bytes) -> bytes:
    """A header of the request, empty where there is none. `name` is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def whole_number(text: bytes) -> int | None:
    """The number that a header holds; None where it is none, or longer than any that is meant."""
    return int(text) if text.isdigit() and len(text) <= 15 else None


def check_type(scope: Scope, accepted: bytes = JSON) -> None:
    """Refuses a body that says it is something else.

    Raises:
        RequestError: 415.
    """
    said = header(scope, b"content-type")
    if said != accepted and said.partition(b";")[0].strip().lower() != accepted:
        shown = said.decode("latin-1")[:100]
        raise RequestError(
            415,
            f"The body is said to be '{shown}'." if said else "The request does not say what its body is.",
            where="header Content-Type",
            expected=accepted.decode(),
            next_step=f"Send the header Content-Type: {accepted.decode()}.",
        )
    encoding = header(scope, b"content-encoding")
    if encoding not in (b"", b"identity"):
        raise RequestError(
            415, "The body is compressed.", where="header Content-Encoding", expected="none", next_step="Send it as it is."
        )


async def read_body(scope: Scope, receive: Receive, *, most: int, until: float) -> bytes:
    """The body of a request.

    Args:
        scope: of the request.
        receive: gives its parts.
        most: bytes that it may have.
        until: when it must be there, by `time.perf_counter`.

    Raises:
        RequestError: 413, it is larger; 408, it does not come in time.
        DisconnectedError: whoever sent it has gone.
    """
    declared = whole_number(header(scope, b"content-length"))
    if declared is not None and declared > most:
        raise _too_large(declared, most)
    message = await receive()
    if message["type"] != "http.request":
        raise DisconnectedError
    if not message.get("more_body"):  # it came with the headers
        body = bytes(message.get("body", b""))
        if len(body) > most:
            raise _too_large(len(body), most)
        return body
    try:
        async with asyncio.timeout(max(0.0, until - time.perf_counter())):
            return await _rest(message, receive, most)
    except TimeoutError:
        raise RequestError(408, "The body did not come in time.", next_step="Send it at once.") from None


async def _rest(message: Message, receive: Receive, most: int) -> bytes:
    parts, size = [message.get("body", b"")], len(message.get("body", b""))
    while message.get("more_body"):
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise _too_large(size, most)
    return b"".join(parts)


async def send_bytes(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Answers with what is made already."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_error(receive: Receive, send: Send, error: RequestError, said: Any) -> None:
    """Answers with an error, as JSON says it."""
    headers = [(b"content-type", JSON)]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    body = orjson.dumps(said)
    if error.status not in (408, 413):
        await send_bytes(send, error.status, body, headers)
        return
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": error.status, "headers": [*headers, length, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await _pass_over(receive)
    await send({"type": "http.response.body", "body": b""})


async def _pass_over(receive: Receive) -> None:
    """Takes what is still being sent, for a while: who is cut off in sending may never read the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass


def _too_large(size: int, most: int) -> RequestError:
    return RequestError(
        413,
        f"The body has {size:,} bytes or more.",
        where="body",
        expected=f"at most {most:,} bytes",
        next_step="Ask for fewer rows in one request.",
    )
