"""What is read for a request: the features of its row, when each became known, and what was not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fti_assets.vocabulary import Column

if TYPE_CHECKING:
    import pyarrow as pa

Status = Literal["found", "missing", "expired", "future", "given", "no_key"]
"""Of the values of one source in one row: `missing`, there is no row of the entity; `expired`, it is older than the ttl allows;
`future`, it became known after the request's time; `given`, all its values came with the request; `no_key`, the key that it is
found by is null. All but `found` and `given` are null."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where some features of a view come from.

    Attributes:
        name: of the group, with its version.
        prefix: of the role in which it is joined.
        features: names of the features that it gives.
    """

    name: str
    prefix: str
    features: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} as {self.prefix}" if self.prefix else self.name


class OnlineRow(NamedTuple):
    """The features of one request.

    Attributes:
        values: in the order of the view's `feature_names`: float, int, bool, str, date or None.
        event_times: for each source of the view when what was found became known, in microseconds since 1970; None where nothing
            was, or where it has no event time.
        statuses: for each source of the view whether it was found.
    """

    values: tuple[Any, ...]
    event_times: tuple[int | None, ...]
    statuses: tuple[Status, ...]


class FoundFeatures(NamedTuple):
    """The features of some requests, by columns.

    Attributes:
        columns: for each of the view's `feature_names` its values; they are not to be changed. Where arrays were asked for, floats
            may be an array of float64.
        event_times: for each source of the view those of the rows, as in `OnlineRow`.
        statuses: likewise.
    """

    columns: list[Sequence[Any]]
    event_times: list[Sequence[int | None]]
    statuses: list[Sequence[Status]]

    @property
    def rows(self) -> list[OnlineRow]:
        """The same, row by row."""
        values, times, statuses = (zip(*some, strict=True) for some in (self.columns, self.event_times, self.statuses))
        return list(map(OnlineRow, values, times, statuses))


@dataclass(frozen=True, slots=True)
class OnlineFeatures:
    """The features of some rows at one time.

    Attributes:
        columns: the features.
        sources: where they come from.
        rows: one for each that was asked for, in their order.
        at: the time of the rows, in microseconds since 1970.
    """

    columns: tuple[Column, ...]
    sources: tuple[Source, ...]
    rows: tuple[OnlineRow, ...]
    at: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def to_dicts(self) -> list[dict[str, Any]]:
        """For each row its features by name."""
        return [dict(zip(self.names, row.values, strict=True)) for row in self.rows]

    def to_arrow(self) -> pa.Table:
        """A pyarrow table of the features."""
        import pyarrow as pa

        from fti_assets.online_store.bulk import ARROW_TYPES

        types = ARROW_TYPES | {"string": pa.string()}
        values: Sequence[Sequence[Any]] = list(zip(*(row.values for row in self.rows), strict=True)) or [()] * len(self.columns)
        return pa.table({c.name: pa.array(some, types[c.type]) for c, some in zip(self.columns, values, strict=True)})

    def missing(self) -> list[dict[str, Status]]:
        """For each row the sources of which nothing was found, and why."""
        return [
            {str(source): status for source, status in zip(self.sources, row.statuses, strict=True) if status not in _THERE}
            for row in self.rows
        ]

    def ages(self) -> list[dict[str, timedelta]]:
        """For each row how old what was found is, by source."""
        return [
            {
                str(source): timedelta(microseconds=self.at - time)
                for source, time in zip(self.sources, row.event_times, strict=True)
                if time is not None
            }
            for row in self.rows
        ]


_THERE = ("found", "given")
