"""What Prometheus reads at `/metrics`. On the way of a request only counters are counted up; the rest is looked at each second."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from fti_assets.serving.admission import Admission
    from fti_assets.serving.log_writing import LogWriter
    from fti_assets.serving.served_model import ServedModel

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGES = ("lookup", "transform", "predict", "total")
ROUTES = ("predict", "infer")
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MANY_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the workers of a server put their counters, so that any of them tells of all."""


@dataclass(slots=True)
class RouteMetrics:
    """The counters of one model on one route, looked up beforehand.

    Attributes:
        rows: rows that were answered.
        lookup, transform, predict, total: seconds by stage.
    """

    rows: Any
    lookup: Any
    transform: Any
    predict: Any
    total: Any


class Metrics:
    """The counters of a server.

    Args:
        models: names of those that are served.
    """

    def __init__(self, models: Iterable[str]) -> None:
        registry = self._registry = CollectorRegistry()
        self.seconds = Histogram(
            "fti_request_seconds", "Seconds by stage.", ["model", "route", "stage"], registry=registry, buckets=_SECONDS
        )
        self.requests = Counter("fti_requests", "Requests by status of HTTP.", ["model", "route", "status"], registry=registry)
        self.rows = Counter("fti_rows", "Rows that were predicted.", ["model", "route"], registry=registry)
        self.missing = Counter(
            "fti_missing_features", "Rows in which a source had no value.", ["model", "source", "status"], registry=registry
        )
        self.rejected = Counter("fti_rejected", "Requests that were told to come again.", ["reason"], registry=registry)
        self.shadow_dropped = Counter("fti_shadow_dropped", "Rows that the challenger did not score.", ["model"], registry=registry)
        self._of_state(registry)
        self._statuses: dict[tuple[str, str, int], Any] = {}
        self._missing: dict[tuple[str, str, str], Any] = {}
        self._counted: dict[str, float] = {}
        self.routes = {(model, route): self._route(model, route) for model in models for route in ROUTES}

    def _of_state(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, said: str, labels: Sequence[str], mode: str) -> Any:
            return Gauge(name, said, labels, registry=registry, multiprocess_mode=mode)

        self.version = gauge("fti_model_version", "Version that answers; 0 where none does.", ["model", "role"], "livemax")
        self.problem = gauge("fti_model_problem", "1 where the registry names a version that does not serve.", ["model"], "livemax")
        self.reached = gauge("fti_registry_reached", "1 where the registry answers.", ["model"], "livemin")
        self.in_flight = gauge("fti_in_flight", "Requests in the server.", [], "livesum")
        self.log_queued = gauge("fti_log_queued_bytes", "Of the inference log in memory.", ["model"], "livesum")
        self.log_spilled = gauge("fti_log_spilled_bytes", "Of the log on disk, not landed yet.", ["model"], "livemax")
        self.log_written = Counter("fti_log_written", "Lines of the log that are on disk.", ["model"], registry=registry)
        self.log_dropped = Counter("fti_log_dropped", "Lines of the log for which there was no room.", ["model"], registry=registry)
        self.swaps = Counter("fti_model_swaps", "How often the champion was exchanged.", ["model"], registry=registry)
        self.refused = Counter("fti_model_refused", "How often a version was refused.", ["model"], registry=registry)

    def _route(self, model: str, route: str) -> RouteMetrics:
        lookup, transform, predict, total = (self.seconds.labels(model, route, stage) for stage in STAGES)
        return RouteMetrics(self.rows.labels(model, route), lookup, transform, predict, total)

    def count_status(self, model: str, route: str, status: int) -> None:
        key = (model, route, status)
        found = self._statuses.get(key)
        if found is None:
            found = self._statuses[key] = self.requests.labels(model, route, str(status))
        found.inc()

    def count_missing(self, model: str, source: str, status: str) -> None:
        key = (model, source, status)
        found = self._missing.get(key)
        if found is None:
            found = self._missing[key] = self.missing.labels(*key)
        found.inc()

    def look(self, served: Iterable[ServedModel], logs: Iterable[LogWriter], admission: Admission) -> None:
        """Takes over how models, logs and requests stand now."""
        for model in served:
            self._look_at(model)
        for log in logs:
            name = log.folder.name
            self.log_queued.labels(name).set(log.queued_bytes)
            self.log_spilled.labels(name).set(log.waiting_bytes)
            self._catch_up(self.log_written, name, log.written)
            self._catch_up(self.log_dropped, name, log.dropped)
        self.in_flight.set(admission.inside)

    def _look_at(self, model: ServedModel) -> None:
        answering, standing = model.answering, model.standing
        self.version.labels(model.name, "champion").set(answering.champion.version if answering.champion else 0)
        self.version.labels(model.name, "challenger").set(answering.challenger.version if answering.challenger else 0)
        self.problem.labels(model.name).set(bool(standing.problem))
        self.reached.labels(model.name).set(standing.reached is not False)
        self._catch_up(self.swaps, model.name, standing.swaps)
        self._catch_up(self.refused, model.name, standing.refused)

    def _catch_up(self, counter: Any, label: str, now: float) -> None:
        """Counts up to a number that is counted elsewhere."""
        key = f"{counter} {label}"
        counter.labels(label).inc(now - self._counted.get(key, 0))
        self._counted[key] = now

    def text(self) -> bytes:
        """As Prometheus reads it; of all workers, where there are several."""
        if MANY_PROCESSES not in os.environ:
            return bytes(generate_latest(self._registry))
        from prometheus_client.multiprocess import MultiProcessCollector

        of_all = CollectorRegistry()
        MultiProcessCollector(of_all)
        return bytes(generate_latest(of_all))
