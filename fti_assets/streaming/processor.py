"""Events into the online store: what they change there and their place in the queue for the lake, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from fti_assets.errors import not_found
from fti_assets.online_store import OnlineStore, event_queue
from fti_assets.online_store.backend import Writer
from fti_assets.online_store.given import Given
from fti_assets.online_store.keys import microseconds
from fti_assets.online_store.loading import AsOf, update_rows
from fti_assets.online_store.windows import add_events
from fti_assets.streaming.dead_letters import DeadLetters
from fti_assets.streaming.errors import QueueFullError
from fti_assets.streaming.events import EventReader, Refused, Row
from fti_assets.streaming.groups import StreamedGroup

if TYPE_CHECKING:
    import pyarrow as pa

MOST_WAITING = 1_000_000
"""Events of a group that may wait to be landed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one group that were sent together.

    Attributes:
        rows: those that can be taken.
        refused: the others.
    """

    group: str
    rows: Sequence[Row]
    refused: Sequence[Refused] = ()


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the events of a batch.

    Attributes:
        new: were not there.
        repeated: were there already.
        corrected: took the place of an event of the same entity and event time.
        late: are too old for any window; they are landed in the lake all the same.
        refused: were not taken.
        error: why none of the others is kept, and they are to be sent again; None as a rule.
    """

    new: int = 0
    repeated: int = 0
    corrected: int = 0
    late: int = 0
    refused: int = 0
    error: str | None = None


class StreamProcessor:
    """Takes events of some groups.

    Of a group that is read through windows each event is told to be new, repeated or corrected, and only those that change
    something are landed. Of others every event counts as new, and landing finds out.
    """

    def __init__(
        self,
        online: OnlineStore,
        groups: Sequence[StreamedGroup],
        dead_letters: DeadLetters,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._online, self._dead_letters, self._most_waiting = online, dead_letters, most_waiting
        self._groups = {group.name: group for group in groups}
        self._clock = clock
        self._readers = {group.name: EventReader.of(group.group, lambda: microseconds(clock())) for group in groups}

    @property
    def groups(self) -> Mapping[str, StreamedGroup]:
        return self._groups

    def waiting(self) -> dict[str, int]:
        """How many events of each group wait to be landed.

        Raises:
            OnlineStoreError: the online store cannot be read.
        """
        with self._online.reading() as reader:
            return {name: event_queue.waiting(reader, streamed.group) for name, streamed in self._groups.items()}

    def read(self, group: str, lines: Sequence[bytes]) -> Batch:
        """The events of some lines of JSON, those refused beside them.

        Raises:
            NotFoundError: no such group takes events; the error names those that do.
        """
        if group not in self._readers:
            raise not_found("Group", group, self._readers, where="the groups that take events")
        rows, refused = self._readers[group].read(lines)
        return Batch(group, rows, refused)

    def ingest(self, batches: Sequence[Batch]) -> list[Ingested]:
        """Takes the events of some batches. When it returns they are durable, and to be read.

        Refused events go to the dead letters. Where too many events of a group wait to be landed, its batches get an error.

        Raises:
            OnlineStoreError: the online store could not be written; no event of these batches is kept.
        """
        for batch in batches:
            self._dead_letters.write(batch.group, batch.refused)
        found = [Ingested(refused=len(batch.refused)) for batch in batches]
        if not any(batch.rows for batch in batches):
            return found
        with self._online.writing() as writer:
            for name, streamed in self._groups.items():
                own = [n for n, batch in enumerate(batches) if batch.group == name and batch.rows]
                if own:
                    made = self._take(writer, streamed, [batches[n] for n in own])
                    for n, one in zip(own, made, strict=True):
                        found[n] = one
        return found

    def _take(self, writer: Writer, streamed: StreamedGroup, batches: Sequence[Batch]) -> list[Ingested]:
        """Takes the batches of one group, as many as there is room for."""
        waiting = event_queue.waiting(writer, streamed.group)
        taken = _fitting(batches, self._most_waiting - waiting)
        rows = [row for batch in batches[:taken] for row in batch.rows]
        outcomes = self._write(writer, streamed, rows)
        landed = [row for row, outcome in zip(rows, outcomes, strict=True) if outcome != "repeated"]
        if landed:
            event_queue.enqueue(writer, streamed.group, landed)
        each = iter(outcomes)
        found = [_counted(batch, islice(each, len(batch.rows))) for batch in batches[:taken]]
        error = _is_full(streamed, waiting)
        return [*found, *(Ingested(refused=len(batch.refused), error=error) for batch in batches[taken:])]

    def _write(self, writer: Writer, streamed: StreamedGroup, rows: Sequence[Row]) -> Sequence[str]:
        """Brings events into what is read online. Returns what became of each."""
        outcomes: Sequence[str] = ["new"] * len(rows)
        if rows and streamed.is_windowed:
            outcomes = add_events(writer, streamed.group, rows).outcomes
        if rows and streamed.is_row:
            now = self._clock()
            given = Given.of(streamed.group, as_table(streamed, rows), now)
            update_rows(writer, streamed.group, given, (), AsOf(), now)
        return outcomes


def as_table(streamed: StreamedGroup, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Events as a table with the columns of their group; one that they do not have yet is null."""
    import pyarrow as pa

    from fti_assets.online_store.bulk import ARROW_TYPES

    return pa.table(
        {
            column.name: pa.array([row.get(column.name) for row in rows], ARROW_TYPES[column.type])
            for column in streamed.group.table.columns
        }
    )


def _fitting(batches: Sequence[Batch], room: int) -> int:
    """How many of the batches there is room for."""
    sizes = accumulate(len(batch.rows) for batch in batches)
    return sum(1 for size in sizes if size <= room)


def _counted(batch: Batch, outcomes: Iterable[str]) -> Ingested:
    counts = Counter(outcomes)
    return Ingested(counts["new"], counts["repeated"], counts["corrected"], counts["late"], len(batch.refused))


def _is_full(streamed: StreamedGroup, waiting: int) -> str:
    return str(
        QueueFullError(
            f"{waiting:,} events of '{streamed.name}' wait to be landed in the lake, and no more may.",
            next_step="Send them again later; see whether the lake can be written.",
        )
    )
