"""What goes on around a server while it serves: champions change, MLflow comes and goes, online tables are written anew."""

from __future__ import annotations

import json
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.serving.contracts import FEATURE_GROUPS, GROUPS, MODEL
from benchmarks.serving.data import Data
from benchmarks.serving.our_server import PREDICTION
from benchmarks.serving.processes import CLIENT_CORE, Running, end, free_port, start
from fti_assets.model_registry import ModelRegistry
from fti_assets.online_store import OnlineStore

_NOTICED = 180.0
"""Seconds after which a new champion counts as not noticed."""


@dataclass(slots=True)
class Churn:
    """What was done, and what went wrong in doing it.

    Attributes:
        swap_seconds: for each change of the champion how long it took until it answered.
    """

    swaps: int = 0
    swap_seconds: list[float] = field(default_factory=list)
    stops: int = 0
    tables: int = 0
    rows: int = 0
    errors: list[str] = field(default_factory=list)


class Mlflow:
    """An MLflow server on a copy of the registry, which can be stopped and started; it keeps its address."""

    def __init__(self, data: Data, folder: Path, log: Path) -> None:
        shutil.copy(data.folder / "mlflow" / "mlflow.db", folder / "mlflow.db")
        self._folder, self._log, self._port = folder, log, free_port()
        self._running: Running | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("mlflow")
        store = ("--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}", "--workers", 1)
        command = (program, "server", *store, "--host", "127.0.0.1", "--port", self._port)
        self._running = start(command, self._port, ready="/health", core=CLIENT_CORE, log=self._log)

    def stop(self) -> None:
        if self._running is not None:
            end(self._running.process)
        self._running = None


class Around:
    """Threads that do it until they are told to stop.

    Args:
        period: seconds from one change of the champion to the next.
        online: address of the online store.
    """

    def __init__(self, data: Data, mlflow: Mlflow, online: Path, *, port: int, period: float) -> None:
        self.done = Churn()
        self._data, self._mlflow, self._online, self._port, self._period = data, mlflow, online, port, period
        self._over = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._noted, args=(one,)) for one in (self._change_champions, self._write_tables)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(timeout=120)

    def _noted(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the end of the experiment reports it
            self.done.errors.append(f"{type(error).__name__}: {error}")

    def _change_champions(self) -> None:
        """A promotion or a rollback in each period, in turns, and between two of them the registry is away for a while."""
        registry = ModelRegistry(self._mlflow.address)
        due = time.monotonic() + self._period / 4
        while not self._over_by(due):
            turn, due, began = due, due + self._period, time.monotonic()
            if self.done.swaps % 2:
                version = registry.rollback(MODEL.name, reason="Soak.").version
            else:
                version = registry.promote(MODEL.name, 2, reason="Soak.", figures={}).version
            self.done.swaps += 1
            self._await_version(version, began)
            if self._over_by(turn + 0.4 * self._period):
                return
            self._mlflow.stop()
            self.done.stops += 1
            self._over_by(turn + 0.55 * self._period)
            self._mlflow.start()

    def _over_by(self, when: float) -> bool:
        """Waits until then, unless it is over before; tells whether it is."""
        return self._over.wait(max(0.0, when - time.monotonic()))

    def _await_version(self, version: int, began: float) -> None:
        while time.monotonic() < began + _NOTICED:
            if ask(self._port, [0])["predictions"][0]["model_version"] == version:
                self.done.swap_seconds.append(time.monotonic() - began)
                return
            time.sleep(0.1)

    def _write_tables(self) -> None:
        """Whole tables and parts of them, with the values that they hold, so that right answers stay the same."""
        store, chance = OnlineStore(self._online), random.Random(0)
        tables = [pq.read_table(self._data.features_file(name)) for name in GROUPS]
        while not self._over.wait(1.0):
            number = self.done.tables % len(GROUPS)
            table = tables[number]
            store.replace(FEATURE_GROUPS[number], table)
            self.done.rows += table.num_rows
            for _ in range(10):
                part = table.slice(chance.randrange(table.num_rows), 500)
                store.update(FEATURE_GROUPS[number], part)
                self.done.rows += part.num_rows
                if self._over.wait(0.2):
                    break
            self.done.tables += 1
        store.close()


def ask(port: int, accounts: Sequence[int]) -> dict[str, Any]:
    """One prediction of our server."""
    question = PREDICTION
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", question.path, question.body(accounts), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"{question.path} answered {answer.status}: {body[:300]!r}")
        return dict(json.loads(body))
    finally:
        connection.close()
