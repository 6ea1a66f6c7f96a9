"""A server's parts, put together: started with it, stopped with it, and able to say how they stand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fti_assets.api_keys import ApiKeys
from fti_assets.errors import FtiError
from fti_assets.online_store.lmdb_backend import LmdbBackend
from fti_assets.serving.admission import Admission
from fti_assets.serving.clock import Clock
from fti_assets.serving.examples import Examples
from fti_assets.serving.log_records import LogRecords
from fti_assets.serving.log_writing import LogWriter, new_server_id
from fti_assets.serving.metrics import Metrics
from fti_assets.serving.prediction import Predictor
from fti_assets.serving.prediction_route import House, Serving
from fti_assets.serving.request_reading import RequestReader, RowReader, instant
from fti_assets.serving.served_model import ServedModel
from fti_assets.serving.shadow import Shadow
from fti_assets.serving.version_files import VersionFolder
from fti_assets.serving.watching import RegistryWatcher

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore
    from fti_assets.serving.settings import Settings
    from fti_assets.serving.system import ServedSystem
    from fti_assets.vocabulary import Model

LOGGER = logging.getLogger("fti.serving")
AT_ONCE = 16
"""Rows that are answered on the event loop, where the online store is on this machine: to hand over to a thread takes as long."""
AT_ONCE_ALONE = 128
"""The same while nobody else is in the server. They take some milliseconds, for which one who comes in the meantime waits."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a server reads from and writes to.

    Attributes:
        online: the online store.
        registry: address of the model registry.
        copies: folder of the versions that it keeps.
        log: folder of the inference log.
    """

    online: OnlineStore
    registry: str
    copies: Path
    log: Path


class RunningServer:
    """All parts of one server.

    Args:
        system: that is served.
        stores: that it reads and writes.
        settings: see `Settings`.
        keys: who may ask; None lets everybody.
    """

    def __init__(self, system: ServedSystem, stores: Stores, settings: Settings, keys: ApiKeys | None) -> None:
        self.system, self.settings, self._stores = system, settings, stores
        self.server_id = new_server_id()
        self.clock = Clock(settings.clock)
        self.house = self._house(keys)
        self.servings: dict[str, Serving] = {model.name: self._serving(model) for model in system.models}
        self.examples = {model.name: Examples(model.view, stores.online) for model in system.models}
        served = [one.predictor.served for one in self.servings.values()]
        self._watcher = RegistryWatcher(
            served,
            stores.registry,
            poll_seconds=settings.poll_seconds,
            wants_challenger=settings.shadow or settings.challenger_share > 0,
            wants_plain=settings.limits.explained_rows > 0,
            also=self._follow_clock,
        )
        self._ticking: asyncio.Task[None] | None = None

    def _house(self, keys: ApiKeys | None) -> House:
        limits, is_here = self.settings.limits, isinstance(self._stores.online.backend, LmdbBackend)
        return House(
            limits=limits,
            admission=Admission(limits, limits.threads if is_here else limits.waiting_threads),
            metrics=Metrics(model.name for model in self.system.models),
            keys=keys,
            at_once=AT_ONCE if is_here else 0,
            at_once_alone=AT_ONCE_ALONE if is_here else 0,
        )

    def _serving(self, model: Model) -> Serving:
        settings, limits = self.settings, self.settings.limits
        served = ServedModel(model, VersionFolder(self._stores.copies, model.name))
        view = self._stores.online.view(model.view)
        predictor = Predictor(
            served, view, server=self.server_id, challenger_share=settings.challenger_share, metrics=self.house.metrics
        )
        rows = RowReader(view.request_columns, predictor.keys, time_column=model.view.at)
        records, log = LogRecords(predictor), LogWriter(self._stores.log / model.name, self.server_id, settings.log)
        return Serving(
            predictor=predictor,
            reader=RequestReader(rows, most_rows=limits.rows, most_explained=limits.explained_rows),
            records=records,
            log=log,
            shadow=Shadow(model.name, records, log, self.house.metrics) if settings.shadow else None,
            now=self.clock.now,
        )

    @property
    def served(self) -> Mapping[str, ServedModel]:
        return {name: one.predictor.served for name, one in self.servings.items()}

    def start(self) -> None:
        """Loads what was served last, and begins to watch the registry. To be called in the event loop."""
        self._follow_clock()
        for serving in self.servings.values():
            serving.predictor.served.start_from_copy()
            serving.log.start()
            if serving.shadow:
                serving.shadow.start()
        self._watcher.start()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())
        now = instant(self.clock.now())
        LOGGER.info("Serving %s of system '%s'.", ", ".join(self.servings), self.system.name)
        if self.clock.said != "real":
            LOGGER.info("The present is %s (%s), for requests that give no request_time.", now.isoformat(), self.clock.said)

    async def stop(self) -> None:
        """Writes what is to be logged, and ends what was started."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        self.house.admission.close()
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        for serving in self.servings.values():
            if serving.shadow:
                serving.shadow.stop()
            serving.log.stop()
        self._watcher.stop()

    async def _tick(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(1)

    def look(self) -> None:
        """Brings the metrics of models and logs up to date."""
        self.house.metrics.look(self.served.values(), [one.log for one in self.servings.values()], self.house.admission)

    def _follow_clock(self) -> None:
        self.clock.follow([model.view for model in self.system.models], self._stores.online)

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether every model answers, and how all stands."""
        online = self._online_problem()
        models = {name: _standing(serving) for name, serving in self.servings.items()}
        is_ready = not online and all(one["champion"] is not None for one in models.values())
        said = {
            "ready": is_ready,
            "system": self.system.name,
            "clock": self.clock.as_data(),
            "online_store": online or "answers",
            "models": models,
            "in_flight": self.house.admission.inside,
        }
        return is_ready, said

    def _online_problem(self) -> str:
        try:
            tables = {table.name for table in self._stores.online.tables()}
        except FtiError as error:
            return str(error)
        wanted = {
            group.versioned_name
            for model in self.system.models
            for group in model.view.groups
            if group.online and group != model.view.label.group
        }
        if wanted and not wanted & tables:
            return f"It has none of the tables of {', '.join(self.servings)}: nothing was materialised into it."
        return ""


def _standing(serving: Serving) -> dict[str, Any]:
    served, log = serving.predictor.served, serving.log
    answering, standing = served.answering, served.standing
    registry = {None: "not asked yet", True: "answers", False: "away"}[standing.reached]
    return {
        "champion": answering.champion.version if answering.champion else None,
        "challenger": answering.challenger.version if answering.challenger else None,
        "predicts_by": answering.champion.path if answering.champion else None,
        "loaded_from": standing.source or None,
        "registry": registry,
        "problem": standing.problem or None,
        "swaps": standing.swaps,
        "log": {"written": log.written, "dropped": log.dropped, "waiting_bytes": log.waiting_bytes, "problem": log.problem or None},
    }
