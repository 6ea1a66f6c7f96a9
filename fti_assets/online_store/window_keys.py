"""Keys of events as bytes, in the order in which the join counts them: by time, and at the same time by the group's key."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.window_values import Stored

PREFIX = 16
"""Bytes that stand for the values of the columns by which windows are formed: a digest of them."""
NOBODY = bytes(PREFIX)
"""In place of the digest of values of which one is null: such events are nobody's."""
TIME = slice(1 + PREFIX, 1 + PREFIX + 8)
EVENTS, HEADS, PLACES = b"e", b"h", b"p"
"""First bytes of the keys in the table of a layout."""
TILES = (b"t", b"u", b"v", b"w", b"x", b"y", b"z")
"""Likewise, of the largest tiles, of those that they are cut into, and so on."""
_SIGN = 1 << 63
_LONGEST = 400


def in_order(number: int) -> bytes:
    """A whole number of 64 bits as bytes in the order of the numbers."""
    return (number + _SIGN).to_bytes(8, "big")


def number_of(data: bytes) -> int:
    return int.from_bytes(data, "big") - _SIGN


def prefix_of(codec: KeyCodec, values: Sequence[Stored]) -> bytes:
    """What stands for the values of the columns by which windows are formed."""
    key = codec.encode(values)
    return NOBODY if key is None else _digest(key)


def entity_of(codec: KeyCodec, values: Sequence[Stored]) -> bytes:
    """The key of an entity; of one that is too long to be part of a key its beginning and a digest."""
    key = codec.encode(values) or b""
    return key if len(key) <= _LONGEST + PREFIX else key[:_LONGEST] + _digest(key)


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=PREFIX).digest()


def event_key(prefix: bytes, moment: bytes) -> bytes:
    """Of an event; `moment` is its time and entity."""
    return EVENTS + prefix + moment


def tile_key(level: int, prefix: bytes, number: int) -> bytes:
    """Of a tile; tiles of one level are numbered by their time, in units of their length."""
    return TILES[level] + prefix + in_order(number)


def span(kind: bytes, prefix: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """The keys of events, or of tiles, with `start <= time < end`."""
    return kind + prefix + in_order(start), kind + prefix + in_order(end)


def up_to(kind: bytes, prefix: bytes, end: int) -> tuple[bytes, bytes]:
    """The keys of events, or of tiles, with `time < end`."""
    return kind + prefix, kind + prefix + in_order(end)
