"""What Prometheus reads of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fti_assets.streaming.groups import StreamedGroup
from fti_assets.streaming.landing import Landed
from fti_assets.streaming.processor import Batch, Ingested, StreamProcessor

CONTENT_TYPE = CONTENT_TYPE_LATEST
_OUTCOMES = ("new", "repeated", "corrected", "late", "refused")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 10, 30, 100, 300, 1000, 3000, 10000)


class Metrics:
    """The counters of a stream."""

    def __init__(self, processor: StreamProcessor) -> None:
        registry = self._registry = CollectorRegistry()
        by = {"labelnames": ["group"], "registry": registry}
        self._events = Counter("fti_stream_events", "Events by what became of them.", ["group", "outcome"], registry=registry)
        self._held_up = Counter("fti_stream_held_up", "Events that were not taken and can be sent again.", **by)
        self._commits = Histogram("fti_stream_commit_seconds", "Seconds of a transaction.", registry=registry, buckets=_SECONDS)
        self._size = Histogram("fti_stream_commit_events", "Events of a transaction.", registry=registry, buckets=_SIZES)
        self._landed = Counter("fti_stream_landed", "Events that were landed in the lake.", **by)
        self._changed = Counter("fti_stream_landed_changes", "Rows of the lake that changed by it.", **by)
        self._landings = Histogram("fti_stream_landing_seconds", "Seconds of a landing.", **by)
        self._failures = Counter("fti_stream_landing_failures", "Landings that failed; the events wait on.", **by)
        self._waiting = Gauge("fti_stream_waiting", "Events that wait to be landed.", **by)
        for name in processor.groups:
            for outcome in _OUTCOMES:
                self._events.labels(name, outcome)

    def committed(self, batches: Sequence[Batch], outcomes: Sequence[Ingested], seconds: float) -> None:
        """Counts what a transaction took."""
        self._commits.observe(seconds)
        self._size.observe(sum(len(batch.rows) for batch in batches))
        for batch, outcome in zip(batches, outcomes, strict=True):
            for name in _OUTCOMES:
                if count := getattr(outcome, name):
                    self._events.labels(batch.group, name).inc(count)
            if outcome.error is not None:
                self._held_up.labels(batch.group).inc(len(batch.rows))

    def failed(self, batches: Sequence[Batch]) -> None:
        """Counts what a transaction that failed would have taken."""
        for batch in batches:
            self._held_up.labels(batch.group).inc(len(batch.rows))

    def landed(self, streamed: StreamedGroup, landed: Landed) -> None:
        self._landed.labels(streamed.name).inc(landed.events)
        self._changed.labels(streamed.name).inc(landed.changed)
        self._landings.labels(streamed.name).observe(landed.seconds)

    def landing_failed(self, streamed: StreamedGroup, _: Exception) -> None:
        self._failures.labels(streamed.name).inc()

    def waiting(self, waiting: Mapping[str, int]) -> None:
        for name, count in waiting.items():
            self._waiting.labels(name).set(count)

    def text(self) -> bytes:
        return bytes(generate_latest(self._registry))
