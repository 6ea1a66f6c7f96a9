"""The challenger scores what the champion has answered, in a thread of its own: into the log only, and never in a request's way."""

from __future__ import annotations

import logging
from collections import deque
from threading import Event, Thread

from fti_assets.serving.log_records import LogRecords
from fti_assets.serving.log_writing import LogWriter
from fti_assets.serving.metrics import Metrics
from fti_assets.serving.prediction import CHAMPION, Answer
from fti_assets.serving.scoring import Scorer

LOGGER = logging.getLogger("fti.serving")
MOST_ANSWERS = 1_000
"""That wait at most; what comes then is not scored, and counted."""


class Shadow:
    """Scores the answers of one model once more.

    Args:
        model: its name.
        records: makes lines of the log.
        log: takes them.
        metrics: of the server.
    """

    def __init__(self, model: str, records: LogRecords, log: LogWriter, metrics: Metrics) -> None:
        self._model, self._records, self._log, self._metrics = model, records, log, metrics
        self._waiting: deque[tuple[Answer, Scorer]] = deque()
        self._stop, self._some = Event(), Event()
        self._thread = Thread(target=self._run, name=f"shadow of {model}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, answer: Answer, challenger: Scorer) -> None:
        """Takes an answer, if there is room. Never waits."""
        if len(self._waiting) >= MOST_ANSWERS:
            self._metrics.shadow_dropped.labels(self._model).inc(len(answer.predictions))
            return
        self._waiting.append((answer, challenger))
        self._some.set()

    def stop(self) -> None:
        """Scores what waits, and ends."""
        self._stop.set()
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        while self._waiting or not self._stop.is_set():
            self._some.wait()
            if not self._stop.is_set():
                self._some.clear()
            while self._waiting:
                self._score(*self._waiting.popleft())

    def _score(self, answer: Answer, challenger: Scorer) -> None:
        try:
            predictions = challenger.predict(answer.found.columns).tolist()
        except Exception:  # a challenger may fail in any way; the champion has answered
            LOGGER.exception("%s version %d failed in the shadow.", self._model, challenger.version)
            return
        # What the challenger has answered itself is in the log already.
        rows = [number for number, role in enumerate(answer.roles) if role == CHAMPION]
        if rows:
            self._log.put(self._records.of_shadow(answer, rows, challenger, predictions))
