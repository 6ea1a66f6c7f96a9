"""Watches the registry: looks every few seconds whether the champion is another one, fetches it, and lets it answer.

To look takes a query of SQLite or one request; MLflow is imported by a process of its own that runs while a version is fetched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread

from fti_assets.errors import FtiError
from fti_assets.model_registry import CHALLENGER, CHAMPION
from fti_assets.model_registry.pointers import Pointer, RegistryUnreachableError, pointers_reader
from fti_assets.serving.check_rows import TOLERANCE
from fti_assets.serving.errors import ServingError
from fti_assets.serving.registry_process import RegistryProcess
from fti_assets.serving.scoring import EXPLAINED, Scorer
from fti_assets.serving.served_model import ServedModel
from fti_assets.serving.version_files import KeptVersion

LOGGER = logging.getLogger("fti.serving")
ASK_MLFLOW_SECONDS = 60.0
"""Between two questions to a store that only MLflow can ask, each of which takes a process of some seconds."""
AGAIN_SECONDS = (10.0, 300.0)
"""After which a version that was refused is tried again: at first, and at most."""


class RegistryWatcher:
    """A thread that keeps what answers at what the registry says.

    Args:
        served: the models.
        tracking_uri: of the registry.
        poll_seconds: between two looks.
        wants_challenger: whether the challenger is loaded as well.
        wants_plain: whether the registered model is loaded beside its translation: for explanations.
        also: is called at every look, before it.
    """

    def __init__(
        self,
        served: Sequence[ServedModel],
        tracking_uri: str,
        *,
        poll_seconds: float,
        wants_challenger: bool,
        wants_plain: bool,
        also: Callable[[], None] = lambda: None,
    ) -> None:
        self._served, self._wants_challenger, self._also = served, wants_challenger, also
        self._poll_seconds, self._wants_plain = poll_seconds, wants_plain
        self._readers = {one.name: pointers_reader(tracking_uri, one.name) for one in served}
        self._asked_at: dict[str, float] = {}
        self._known: dict[str, Mapping[str, Pointer]] = {}
        self._refused: dict[tuple[str, Pointer], tuple[float, float]] = {}
        self._stop = Event()
        self._process = RegistryProcess(tracking_uri, is_stopped=self._stop.is_set)
        self._thread = Thread(target=self._run, name="registry watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and a process that fetches for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for model in self._served:
                try:
                    self._also()
                    model.compile()
                    self.look(model)
                except Exception:  # whatever goes wrong, what answers goes on answering
                    LOGGER.exception("The registry could not be looked at.")
                    model.standing.problem = "The registry could not be looked at: see the log."
            self._stop.wait(self._poll_seconds)

    def look(self, model: ServedModel) -> None:
        """Asks the registry once, and exchanges what answers if it is to be another version."""
        try:
            pointers = self._pointers(model.name)
        except (RegistryUnreachableError, ServingError) as error:
            if model.standing.reached is not False:
                LOGGER.warning("%s %s goes on with what it has.", error, model.name)
            model.standing.reached, model.standing.problem = False, str(error)
            return
        model.standing.reached = True
        if CHAMPION not in pointers:
            model.refuse(f"The registry names no champion of model '{model.name}'.")
            return
        problems = [text for text in (self._champion(model, pointers), self._challenger(model, pointers)) if text]
        if not problems:
            model.standing.problem = ""

    def _pointers(self, name: str) -> Mapping[str, Pointer]:
        reader = self._readers[name]
        if reader is not None:
            return reader()
        if name not in self._known or time.monotonic() - self._asked_at[name] >= ASK_MLFLOW_SECONDS:
            self._asked_at[name] = time.monotonic()
            said = self._process.ask({"model": name})["pointers"]
            self._known[name] = {alias: Pointer(*found) for alias, found in said.items()}
        return self._known[name]

    def _champion(self, model: ServedModel, pointers: Mapping[str, Pointer]) -> str:
        """Lets the champion answer; returns what stands against it."""
        wanted, now = pointers[CHAMPION], model.answering.champion
        if _is(now, wanted):
            model.standing.source = "registry"
            return ""
        scorer = self._made(model, wanted)
        if scorer is None:
            return model.standing.problem
        # A challenger that becomes champion is no challenger any more.
        challenger = model.answering.challenger
        model.exchange(scorer, None if challenger is None or _is(challenger, wanted) else challenger)
        model.standing.source = "registry"
        model.kept.remember(scorer.kept)
        model.kept.remove_old({scorer.kept.folder, *([challenger.kept.folder] if challenger else [])})
        return ""

    def _challenger(self, model: ServedModel, pointers: Mapping[str, Pointer]) -> str:
        champion, now = model.answering.champion, model.answering.challenger
        wanted = pointers.get(CHALLENGER) if self._wants_challenger else None
        if wanted is None or _is(champion, wanted):
            if now is not None:
                model.exchange(champion, None)
        elif not _is(now, wanted):
            scorer = self._made(model, wanted)
            if scorer is None:
                return model.standing.problem
            model.exchange(champion, scorer)
        self._compare(champion)
        return ""

    def _made(self, model: ServedModel, wanted: Pointer) -> Scorer | None:
        """The version, ready to answer; None where it is not, and the reason is noted."""
        again = self._refused.get((model.name, wanted))
        if again is not None and time.monotonic() < again[0]:
            return None
        try:
            return model.prepare(self._fetched(model, wanted))
        except (FtiError, OSError) as error:
            if self._stop.is_set():
                return None
            model.refuse(str(error))
            wait = min(2 * again[1], AGAIN_SECONDS[1]) if again else AGAIN_SECONDS[0]
            self._refused[model.name, wanted] = (time.monotonic() + wait, wait)
            return None

    def _fetched(self, model: ServedModel, wanted: Pointer) -> KeptVersion:
        found = model.kept.find(wanted.version, wanted.sha256)
        if found is None:
            folder = str(model.kept.folder.parent)
            said = self._process.ask({"model": model.name, "version": wanted.version, "folder": folder})
            found = model.kept.find(int(said["version"]), str(said["sha256"]))
        if found is None or found.model_sha256 != wanted.sha256:
            raise ServingError(f"{model.name} version {wanted.version} is not the one that the registry named a moment ago.")
        return found

    def _compare(self, scorer: Scorer | None) -> None:
        """Holds what answers against the registered model in this process; it is loaded then, for explanations."""
        if not self._wants_plain or scorer is None or scorer.is_compared or scorer.kind != EXPLAINED or self._stop.is_set():
            return
        scorer.is_compared = True
        distance = scorer.distance_from_plain()
        if distance > TOLERANCE:
            LOGGER.error("Version %d predicts by %s what is %.1e away from the model.", scorer.version, scorer.path, distance)


def _is(scorer: Scorer | None, pointer: Pointer) -> bool:
    return scorer is not None and (scorer.version, scorer.kept.model_sha256) == (pointer.version, pointer.sha256)
