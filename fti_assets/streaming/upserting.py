"""Upserts events that wait into the lake. It runs as a process of its own, beside a stream: see `landing_process`."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb

from fti_assets.errors import FtiError
from fti_assets.online_store import OnlineStore, event_queue
from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.landing_process import Refusal, Upserted
from fti_assets.streaming.processor import as_table

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore

_NICE = 10
"""Events come first; but with 19, on a machine that is busy for long, hardly anything would be landed."""


def upsert(online: OnlineStore, store: FeatureStore, streamed: StreamedGroup, most: int) -> Upserted | None:
    """Brings the events of a group that have waited longest into the lake, where each is once, however often it is brought.

    They stay in the queue. An event in whose place a later one waits is left to that one.

    Returns:
        What was done; None where no event waits.

    Raises:
        FtiError: the lake cannot be written, or the online store cannot be read.
        duckdb.Error: likewise.
    """
    with online.reading() as reader:
        queued = event_queue.oldest(reader, streamed.group, most)
    if not queued:
        return None
    rows = [one.row for one in queued if one.is_last]
    changed = store.upsert(streamed.group, as_table(streamed, rows), run="stream").changed if rows else 0
    return Upserted(len(queued), changed or 0, end=queued[-1].number + 1)


def _answer(
    online: OnlineStore, open_lake: Callable[[], FeatureStore], asked: tuple[StreamedGroup, int]
) -> Upserted | Refusal | None:
    try:
        return upsert(online, open_lake(), *asked)
    except (FtiError, duckdb.Error, OSError) as error:
        return Refusal(str(error))


def _work(stream: Connection, asked: SimpleQueue[Any]) -> None:
    """Does what is asked, one after another; an error of ours ends the process, and the stream hears of it."""
    try:
        address, open_lake = asked.get()
        with OnlineStore(address) as online:
            while True:
                stream.send(_answer(online, open_lake, asked.get()))
    finally:  # it is never done, so this is an error
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    """Works until the stream closes its end of the connection, or dies; then it ends at once, whatever it is doing."""
    os.nice(_NICE)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who ends a stream and all around it does not disturb its last landing
    stream, asked = Connection(int(sys.argv[1])), SimpleQueue[Any]()
    Thread(target=_work, args=(stream, asked), daemon=True).start()
    try:
        while True:
            asked.put(stream.recv())
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
