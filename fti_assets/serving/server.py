"""The server as a process, or as several: where it may listen, how it is run by uvicorn, and how it ends."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import orjson

from fti_assets.api_keys import ApiKeys, check_binding
from fti_assets.serving.settings import Settings, parsed_time, settings_of
from fti_assets.serving.system import ServedSystem

if TYPE_CHECKING:
    from fti_assets.serving.app import Application

WORKER = "FTI_SERVING_WORKER"
"""Tells a worker what it serves, and how."""
LOOK_SECONDS = 0.2
"""Between two looks of a worker whether its parent is there."""
IDLE_SECONDS = 75
"""After which a connection that nobody uses is closed: later than most clients give up one."""


def serve(system: ServedSystem, settings: Settings, *, host: str, port: int, workers: int = 1) -> None:
    """Serves a system until it is told to stop. Requests in the server are answered first, and the log is written.

    Args:
        system: with its models.
        settings: how it serves.
        host: address on which it listens.
        port: likewise; 0 is any that is free.
        workers: processes that share the port.

    Raises:
        ApiKeyError: others than this machine could reach it, and there are no keys that they would need.
    """
    import uvicorn

    from fti_assets.serving.metrics import MANY_PROCESSES

    keys = ApiKeys.from_environment()
    check_binding(host, keys)
    _log_to_stderr()
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": max(1, round(settings.limits.closing_seconds)),
    }
    # uvicorn stops in good order, and then sends itself the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if workers == 1:
        uvicorn.run(_app(system, settings, keys), **given)
        return
    with TemporaryDirectory(prefix="fti-metrics-") as folder:
        os.environ[MANY_PROCESSES] = folder
        os.environ[WORKER] = _written(system, settings)
        uvicorn.run("fti_assets.serving.server:worker", factory=True, workers=workers, **given)


def worker() -> Application:
    """What a worker serves: as `serve` was asked to."""
    _end_without(os.getppid())
    said = orjson.loads(os.environ[WORKER])
    _log_to_stderr()
    system = ServedSystem.of(said["contracts"], said["models"])
    settings = {**said["settings"], "clock": parsed_time(said["settings"]["clock"])}
    return _app(system, settings_of(settings, "the settings of a worker"), ApiKeys.from_environment())


def _end_without(parent: int) -> None:
    """Ends this worker in good order when the process that started it is gone: it would keep the port."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        signal.raise_signal(signal.SIGTERM)

    Thread(target=watch, name="watch of the parent", daemon=True).start()


def _app(system: ServedSystem, settings: Settings, keys: ApiKeys | None) -> Application:
    from fti_assets.serving.app import create_app

    app = create_app(system, settings, keys=keys)
    # A thread that loads a version lets requests pass sooner than after the usual 5 ms.
    sys.setswitchinterval(0.0005)
    # What is there now stays, so that nobody waits for the garbage collector to walk through it.
    gc.collect()
    gc.freeze()
    return app


def _written(system: ServedSystem, settings: Settings) -> str:
    said: Mapping[str, Any] = {
        "contracts": system.contracts,
        "models": [model.name for model in system.models],
        "settings": asdict(settings),
    }
    return orjson.dumps(said).decode()


def _log_to_stderr() -> None:
    said = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=said, datefmt="%Y-%m-%dT%H:%M:%S", stream=sys.stderr, force=True)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
