"""Lines of the inference log: what was asked, features as used, and what was answered by which version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from fti_assets.serving.prediction import SHADOW, Answer, Predictor
from fti_assets.serving.request_reading import instant
from fti_assets.serving.scoring import Scorer

_AS_LINES = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class LogRecords:
    """Makes the lines of one model.

    Args:
        predictor: what answers.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._model, self._names = predictor.served.name, predictor.names
        # A column that is a feature and no key is told among the features, as it was used.
        self._only_features = frozenset(predictor.names) - frozenset(predictor.keys)

    def of_answer(self, answer: Answer, latency_us: int) -> Iterator[bytes]:
        """The lines of what was answered."""
        now = datetime.now(UTC)
        for number, (scorer, role, prediction) in enumerate(zip(answer.scorers, answer.roles, answer.predictions, strict=True)):
            yield self._line(answer, number, scorer, role, prediction, now, latency_us)

    def of_shadow(self, answer: Answer, scorer: Scorer, predictions: Sequence[float]) -> Iterator[bytes]:
        """The lines of what the challenger would have answered; no one has waited for it."""
        now = datetime.now(UTC)
        for number, prediction in enumerate(predictions):
            yield self._line(answer, number, scorer, SHADOW, prediction, now, 0)

    def _line(
        self, answer: Answer, number: int, scorer: Scorer, role: str, prediction: float, now: datetime, latency_us: int
    ) -> bytes:
        given: dict[str, Any] = answer.asked.rows[number]
        only_features = self._only_features
        return orjson.dumps(
            {
                "request_id": f"{answer.request_id}.{number}",
                "model": self._model,
                "model_version": scorer.version,
                "view_version": scorer.view_version,
                "role": role,
                "logged_at": now,
                "request_time": instant(answer.asked.at[number]),
                "keys": {name: value for name, value in given.items() if name not in only_features},
                "given": list(given),
                "features": dict(zip(self._names, answer.rows[number].values, strict=True)),
                "missing": list(answer.missing[number]),
                "prediction": prediction,
                "latency_us": latency_us,
            },
            option=_AS_LINES,
        )
