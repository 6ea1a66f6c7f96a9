"""Answers what is asked of one model: features from the online store, through the version that answers, with what was missing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from fti_assets.online_store import OnlineStoreError
from fti_assets.serving.errors import RequestError
from fti_assets.serving.metrics import Metrics, RouteMetrics
from fti_assets.serving.request_reading import Asked, instant
from fti_assets.serving.scoring import Explanation, Scorer
from fti_assets.serving.served_model import Answering, ServedModel
from fti_assets.transformations import RowsError
from fti_assets.vocabulary.on_demand import OnDemandError

if TYPE_CHECKING:
    from fti_assets.online_store import FoundFeatures, OnlineView

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
_THERE = frozenset(("found", "given"))


@dataclass(slots=True)
class Answer:
    """What a request gets.

    Attributes:
        request_id: of the request; each row has `request_id.number`.
        asked: what was asked.
        found: the features of the rows, and whether their sources were found.
        predictions: for each row.
        scorers: for each row what answered it.
        roles: for each row in what role.
        missing: for each row the sources that gave nothing, and why.
        explanations: for each row, where they were asked for.
    """

    request_id: str
    asked: Asked
    found: FoundFeatures
    predictions: list[float]
    scorers: list[Scorer]
    roles: list[str]
    missing: list[dict[str, str]]
    explanations: list[Explanation] = field(default_factory=list)


class Predictor:
    """Answers for one model.

    Args:
        served: the model.
        view: its feature view, made ready for reading.
        server: id of the server, with which ids of requests begin.
        challenger_share: of entities that the challenger answers for.
        metrics: of the server.
    """

    def __init__(self, served: ServedModel, view: OnlineView, *, server: str, challenger_share: float, metrics: Metrics) -> None:
        self.served, self.view, self._metrics = served, view, metrics
        self.sources = tuple(map(str, view.sources))
        self.names = view.view.feature_names
        self.keys = tuple(column.name for column in view.required_keys)
        self._server, self._share = server, challenger_share
        self._numbers = itertools.count(1)

    def answer(self, asked: Asked, answering: Answering, counted: RouteMetrics) -> Answer:
        """Looks up features and predicts.

        Args:
            asked: what is asked.
            answering: what answers.
            counted: the counters of the route.

        Raises:
            RequestError: what is asked cannot be computed, or the online store is away.
        """
        start = time.perf_counter()
        found = self._look_up(asked)
        counted.lookup.observe(time.perf_counter() - start)
        scorers, roles = self._assigned(asked, answering)
        predictions = self._predict(found.columns, scorers, roles, counted)
        made = Answer(
            request_id=f"{self._server}-{next(self._numbers)}",
            asked=asked,
            found=found,
            predictions=predictions,
            scorers=scorers,
            roles=roles,
            missing=self._missing(found, len(predictions)),
        )
        if asked.explain:
            made.explanations = self._explain(made)
        return made

    def _look_up(self, asked: Asked) -> FoundFeatures:
        try:
            return self.view.find(asked.rows, asked.at, arrays=True)
        except OnlineStoreError as error:
            raise RequestError(503, str(error), next_step="Ask again in a moment.", retry_after=1) from error
        except OnDemandError as error:
            raise RequestError(422, str(error), where="rows", expected="values that it can be computed from") from error

    def _assigned(self, asked: Asked, answering: Answering) -> tuple[list[Scorer], list[str]]:
        """For each row what answers it, and in what role."""
        champion, challenger, count = answering.champion, answering.challenger, len(asked.rows)
        assert champion is not None  # the caller has seen it
        if challenger is None or not self._share:
            return [champion] * count, [CHAMPION] * count
        roles = [CHALLENGER if self.is_challenged(row) else CHAMPION for row in asked.rows]
        return [champion if role is CHAMPION else challenger for role in roles], roles

    def is_challenged(self, row: dict[str, Any]) -> bool:
        """Whether the challenger answers for an entity; the same in every server and at all times."""
        key = "\x1f".join([self.served.name, *(str(row.get(name)) for name in self.keys)])
        place = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        return place < self._share * 2**64

    def _predict(
        self, columns: Sequence[Sequence[Any]], scorers: Sequence[Scorer], roles: Sequence[str], counted: RouteMetrics
    ) -> list[float]:
        try:
            if len(set(roles)) == 1:
                return _scored(scorers[0], columns, counted)
            predictions = [0.0] * len(roles)
            for role in (CHAMPION, CHALLENGER):
                places = [place for place, one in enumerate(roles) if one == role]
                scored = _scored(scorers[places[0]], [[column[place] for place in places] for column in columns], counted)
                for place, value in zip(places, scored, strict=True):
                    predictions[place] = value
        except RowsError as error:
            raise RequestError(422, str(error), where="rows", expected="finite numbers that float32 can hold") from error
        return predictions

    def _missing(self, found: FoundFeatures, rows: int) -> list[dict[str, str]]:
        """For each row the sources that gave nothing, and why; they are counted."""
        missing: list[dict[str, str]] = [{} for _ in range(rows)]
        for source, statuses in zip(self.sources, found.statuses, strict=True):
            if _THERE.issuperset(statuses):
                continue
            for row, status in zip(missing, statuses, strict=True):
                if status not in _THERE:
                    row[source] = status
                    self._metrics.count_missing(self.served.name, source, status)
        return missing

    def _explain(self, made: Answer) -> list[Explanation]:
        explained: list[Explanation] = []
        for number, scorer in enumerate(made.scorers):
            explained += scorer.explain([column[number : number + 1] for column in made.found.columns])
        return explained

    def as_data(self, answer: Answer) -> dict[str, Any]:
        """The answer as JSON has it."""
        asked = answer.asked
        predictions = []
        for number, prediction in enumerate(answer.predictions):
            said: dict[str, Any] = {
                "prediction": prediction,
                "model_version": answer.scorers[number].version,
                "role": answer.roles[number],
                "missing": answer.missing[number],
            }
            if asked.features:
                said |= self._used(answer, number)
            if asked.explain:
                said["explanation"] = answer.explanations[number].as_data()
            predictions.append(said)
        return {"model": self.served.name, "request_id": answer.request_id, "predictions": predictions}

    def _used(self, answer: Answer, number: int) -> dict[str, Any]:
        """The features of a row as they were used, and where each came from."""
        found, at = answer.found, answer.asked.at[number]
        statuses, event_times = [one[number] for one in found.statuses], [one[number] for one in found.event_times]
        return {
            "request_time": instant(at),
            "features": {name: column[number] for name, column in zip(self.names, found.columns, strict=True)},
            "given": list(answer.asked.rows[number]),
            "sources": {
                name: {
                    "status": status,
                    "event_time": None if event_time is None else instant(event_time),
                    "age_seconds": None if event_time is None else (at - event_time) / 1e6,
                    "features": source.features,
                }
                for name, source, status, event_time in zip(self.sources, self.view.sources, statuses, event_times, strict=True)
            },
        }


def _scored(scorer: Scorer, columns: Sequence[Sequence[Any]], counted: RouteMetrics) -> list[float]:
    start = time.perf_counter()
    matrix = scorer.encode(columns)
    made = time.perf_counter()
    predictions: list[float] = scorer.score(matrix).tolist()
    counted.transform.observe(made - start)
    counted.predict.observe(time.perf_counter() - made)
    return predictions
