"""Lines of the inference log: what was asked, features as used, and what was answered by which version.

A line holds the rows of one answer by columns, so that the names are written once: see `monitoring.log_lines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from fti_assets.serving.prediction import SHADOW, Answer, Predictor
from fti_assets.serving.request_reading import instant
from fti_assets.serving.scoring import Scorer

OF_ALL = ("model", "logged_at", "latency_us")
"""What a line says of all its rows."""
_AS_LINES = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY


class LogRecords:
    """Makes the lines of one model.

    Args:
        predictor: what answers.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._model, self._names = predictor.served.name, predictor.names
        # A column that is a feature and no key is told among the features, as it was used.
        self._only_features = frozenset(predictor.names) - frozenset(predictor.keys)

    def of_answer(self, answer: Answer, latency_us: int) -> bytes:
        """The line of what was answered."""
        said = self._said(answer) | {
            "model_version": [scorer.version for scorer in answer.scorers],
            "view_version": [scorer.view_version for scorer in answer.scorers],
            "role": answer.roles,
            "prediction": answer.predictions,
            "latency_us": latency_us,
        }
        return orjson.dumps(said, option=_AS_LINES)

    def of_shadow(self, answer: Answer, rows: Sequence[int], scorer: Scorer, predictions: Sequence[float]) -> bytes:
        """The line of what the challenger would have answered in some of the rows; no one has waited for it.

        Args:
            answer: that was given.
            rows: numbers of those that are logged.
            scorer: the challenger.
            predictions: its own, of all rows.
        """
        said = self._said(answer) | {"prediction": predictions}
        of_rows = {name: _taken(values, rows) for name, values in said.items() if name not in OF_ALL}
        count = len(rows)
        version = {"model_version": [scorer.version] * count, "view_version": [scorer.view_version] * count}
        return orjson.dumps({**said, **of_rows, **version, "role": [SHADOW] * count, "latency_us": 0}, option=_AS_LINES)

    def _said(self, answer: Answer) -> dict[str, Any]:
        """What a line says whoever predicts: of all rows, and of each of them."""
        asked, only_features = answer.asked, self._only_features
        times = {at: instant(at) for at in set(asked.at)}
        given = dict.fromkeys(name for row in asked.rows for name in row)
        return {
            "model": self._model,
            "logged_at": datetime.now(UTC),
            "request_id": [f"{answer.request_id}.{number}" for number in range(len(asked.rows))],
            "request_time": [times[at] for at in asked.at],
            "keys": {name: [row.get(name) for row in asked.rows] for name in given if name not in only_features},
            "given": list(map(list, asked.rows)),
            "features": dict(zip(self._names, answer.found.columns, strict=True)),
            "missing": list(map(list, answer.missing)),
        }


def _taken(values: Any, rows: Sequence[int]) -> Any:
    """Those of some rows; of a dict of columns for each."""
    if isinstance(values, dict):
        return {name: _taken(column, rows) for name, column in values.items()}
    return [values[row] for row in rows]
