"""A stream at work: its source, the transactions, the landing, each in a thread; and what is said of it by HTTP.

What reaches the lake is imported where the lake is: beside the stream, in the process that lands. So a stream takes events a second
after its start, and goes on taking them while others are landed.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from fti_assets.api_keys import ApiKeys, check_binding
from fti_assets.errors import FtiError
from fti_assets.online_store import OnlineStore, OnlineStoreError
from fti_assets.online_store.windows import load_events
from fti_assets.streaming.dead_letters import DeadLetters
from fti_assets.streaming.errors import StreamError
from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.http_app import StreamApp
from fti_assets.streaming.landing import EVERY, MOST, Lander, Landing
from fti_assets.streaming.landing_process import LandingProcess
from fti_assets.streaming.metrics import Metrics
from fti_assets.streaming.processor import MOST_WAITING, StreamProcessor
from fti_assets.streaming.sources import EventSource
from fti_assets.streaming.sources.http_push import HttpPush
from fti_assets.vocabulary import FeatureGroup, FeatureView, WindowedSelection

if TYPE_CHECKING:
    import uvicorn

    from fti_assets.feature_store import FeatureStore

_log = logging.getLogger(__name__)
_CLOSING = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a stream runs.

    Attributes:
        source: `http`, or the address of Redis streams.
        host: address that the server listens on; with another source it tells of its health and metrics only.
        port: likewise; 0 is any that is free.
        land_every: seconds between two landings.
        most_waiting: events of a group that may wait to be landed.
    """

    source: str = "http"
    host: str = "127.0.0.1"
    port: int = 8090
    land_every: float = EVERY
    land_at: int = MOST
    most_waiting: int = MOST_WAITING


class Stream:
    """Takes events of some groups until it is stopped."""

    def __init__(
        self,
        online: OnlineStore,
        open_lake: Callable[[], FeatureStore],
        groups: Sequence[StreamedGroup],
        refused: Path,
        settings: Settings,
    ) -> None:
        """Nothing runs yet.

        Args:
            online: where events go at once.
            open_lake: gives the lake, where they are landed, in a process of its own: see `LandingProcess`.
            groups: of which events are taken.
            refused: folder of the events that were refused.
            settings: how it runs.

        Raises:
            ApiKeyError: others than this machine could send events, and there are no keys.
        """
        self._settings, self._keys = settings, ApiKeys.from_environment()
        check_binding(settings.host, self._keys)
        self._processor = StreamProcessor(online, groups, DeadLetters(refused), most_waiting=settings.most_waiting)
        self._metrics = Metrics(self._processor)
        self._push = HttpPush()
        self._source: EventSource = self._push if settings.source == "http" else _followed(settings.source, self._processor)
        self._lake = LandingProcess(online, open_lake)
        self._landers = [Lander(online, self._lake.upsert, group, most=settings.land_at) for group in groups]
        self._landing = Landing(
            self._landers,
            every=settings.land_every,
            most=settings.land_at,
            landed=self._metrics.landed,
            failed=self._metrics.landing_failed,
        )
        self._taking, self._landings = self._threads = tuple(
            Thread(target=self._guarded, args=(run,), daemon=True) for run in (self._pump, self._landing.run)
        )
        self._server = self._made_server()
        self._failed = False

    def run(self) -> None:
        """Takes events until SIGTERM or SIGINT; those that were taken are answered, and those that wait are landed next time.

        Raises:
            StreamError: it came to an end by itself.
        """
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the server stops in good order, and then sends it again
        for thread in self._threads:
            thread.start()
        try:
            self._server.run()
        except SystemExit:  # of the server, when it cannot listen; a signal's comes when it has started
            if not self._server.started:
                raise self._cannot_listen() from None
            raise
        finally:
            self.close()
        if self._failed:
            raise StreamError("The stream ended by an error, which is in the log.", next_step="Start it again; nothing is lost.")

    def _made_server(self) -> uvicorn.Server:
        import uvicorn

        push = self._push if self._source is self._push else None
        app = StreamApp(push, self._processor, self._metrics, self._keys, lambda: self.is_well)
        config = uvicorn.Config(
            app.routes(),
            host=self._settings.host,
            port=self._settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSING,
        )
        config.load()  # all that it imports
        return uvicorn.Server(config)

    def _cannot_listen(self) -> StreamError:
        where = f"{self._settings.host}:{self._settings.port}"
        return StreamError(f"Nothing can listen on {where}.", next_step="Give another --port, or end what listens there.")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Runs in a thread while the block lasts.

        Raises:
            StreamError: it cannot start, or came to an end by itself.
        """
        ended: list[StreamError] = []
        thread = Thread(target=self._run_into, args=(ended,), daemon=True)
        thread.start()
        try:
            while self.port is None and thread.is_alive():
                time.sleep(0.01)
            if thread.is_alive():
                yield
        finally:
            self.stop()
            thread.join()
        if ended:
            raise ended[0]

    def _run_into(self, ended: list[StreamError]) -> None:
        try:
            self.run()
        except StreamError as error:
            ended.append(error)

    def land(self) -> None:
        """Lands what waits now."""
        for lander in self._landers:
            self._landing.land(lander)

    def stop(self) -> None:
        """Has `run` end."""
        self._server.should_exit = True

    def close(self) -> None:
        """Ends what runs: events that were given are taken; a landing that has begun has ten seconds, else it is done again."""
        self._source.close()
        self._landing.stop()
        _join(self._taking)
        _join(self._landings, _CLOSING)
        self._lake.end()
        _join(self._landings)

    @property
    def port(self) -> int | None:
        """On which it listens; None until it does."""
        if not self._server.started:
            return None
        (first, *_) = [socket for server in self._server.servers for socket in server.sockets]
        return int(first.getsockname()[1])

    @property
    def is_well(self) -> bool:
        """Whether events are taken and landed."""
        return not self._failed and all(thread.is_alive() for thread in self._threads)

    def _guarded(self, run: Callable[[], None]) -> None:
        """Runs something that must not end by itself; if it does, so does the stream."""
        try:
            run()
        except Exception:  # noqa: BLE001 - whatever it is, the stream must not go on without
            self._failed = True
            _log.exception("The stream is stopped by an error.")
            self.stop()

    def _pump(self) -> None:
        """Takes what the source gives, one transaction after another."""
        for batches in self._source.batches():
            started = time.perf_counter()
            try:
                outcomes = self._processor.ingest(batches)
            except OnlineStoreError as error:
                _log.warning("Events were not taken: %s", error)
                self._metrics.failed(batches)
                self._source.fail(batches, error)
                continue
            except BaseException:
                self._source.fail(batches, StreamError("The events could not be taken.", next_step="See the log of the stream."))
                raise
            self._metrics.committed(batches, outcomes, time.perf_counter() - started)
            self._source.acknowledge(batches, outcomes)


def _join(thread: Thread, timeout: float | None = None) -> None:
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(timeout)


def _followed(address: str, processor: StreamProcessor) -> EventSource:
    if not address.startswith(("redis://", "rediss://", "unix://")):
        raise StreamError(f"'{address}' is no source of events.", next_step="Use http, or redis://host:port/db.")
    from fti_assets.streaming.sources.redis_stream import RedisStreams

    return RedisStreams(address, processor)


def prepare(
    online: OnlineStore, open_lake: Callable[[], FeatureStore], views: Sequence[FeatureView], *, until: datetime | None = None
) -> None:
    """Has events kept for the windows of some views, those of before included. Without the lake these are loaded another time.

    Args:
        online: where events are kept.
        open_lake: gives the lake; called if events are to be loaded from it.
        views: that are read online.
        until: newest event time that is kept, for a replay of what came after it; all of them unless given.

    Raises:
        OnlineStoreError: the online store cannot be written.
    """
    needy = list(dict.fromkeys(group for view in views for group in online.register(view)))
    windowed = list(dict.fromkeys(one.group for view in views for one in view.joined if isinstance(one, WindowedSelection)))
    if groups := needy if until is None else windowed:
        _load(online, open_lake(), groups, until)


def _load(online: OnlineStore, store: FeatureStore, groups: Sequence[FeatureGroup], until: datetime | None) -> None:
    import duckdb

    for group in groups:
        try:
            with online.writing() as writer:
                load_events(store, writer, group, until=until)
        except OnlineStoreError:
            raise
        except (FtiError, duckdb.Error, OSError) as error:
            _log.warning("Windows of %s are null until its events are loaded from the lake: %s", group.versioned_name, error)
