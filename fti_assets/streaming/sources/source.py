"""What a source of events is: it gives batches, and is told when these are durable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from fti_assets.errors import FtiError
from fti_assets.streaming.processor import Batch, Ingested


class EventSource(Protocol):
    """A source that forgets events only once they were acknowledged."""

    def batches(self) -> Iterator[Sequence[Batch]]:
        """What has come since the last time, again and again, until the source is closed; waits while there is nothing."""
        ...

    def acknowledge(self, batches: Sequence[Batch], outcomes: Sequence[Ingested]) -> None:
        """Those batches are durable, but for those that have an error."""
        ...

    def fail(self, batches: Sequence[Batch], error: FtiError) -> None:
        """No event of those batches is kept; they are to come again."""
        ...

    def close(self) -> None:
        """Ends `batches`, when what was given has been acknowledged."""
        ...
