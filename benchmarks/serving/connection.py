"""A connection that speaks just enough HTTP/1.1 to ask and to be answered, as cheaply as Python can."""

from __future__ import annotations

import select
import socket
import time

_PIECE = 1 << 18
_IDLE = 1.0
"""Seconds without a request after which the server may have closed a connection: it is looked at before it is used again."""


class Connection:
    """One connection, with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.due = 0
        self.number = 0
        self.is_busy = False
        self.socket: socket.socket | None = None
        self._had = b""
        self._used = 0.0

    def open(self) -> socket.socket:
        self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._had = b""
        return self.socket

    def ask(self, request: bytes, number: int, due: int) -> None:
        self.due, self.number, self.is_busy = due, number, True
        now = time.monotonic()
        if self.socket is not None and now - self._used > _IDLE and select.select([self.socket], [], [], 0)[0]:
            self.socket.close()
            self.socket = None
        self._used = now
        (self.socket or self.open()).sendall(request)

    def answer(self) -> bytes | None:
        """The answer when the whole of it has come. `OSError` when the server closed the connection."""
        assert self.socket is not None
        piece = self.socket.recv(_PIECE)
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        self._had = self._had + piece if self._had else piece
        if not is_whole(self._had):
            return None
        found, self._had, self.is_busy = self._had, b"", False
        return found

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket, self.is_busy = None, False


def is_whole(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    headers = answer[:head].lower()
    at = headers.find(b"content-length:")
    if at >= 0:
        end = headers.find(b"\r", at)
        return len(answer) - head - 4 >= int(headers[at + 15 : end if end > 0 else None])
    return b"chunked" in headers and answer.endswith(b"0\r\n\r\n")


def body_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return body.decode()
    parts: list[bytes] = []
    rest = body
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return b"".join(parts).decode()
        parts.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
