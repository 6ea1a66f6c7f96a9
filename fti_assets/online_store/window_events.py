"""Events into the online store: each counted once, whatever the order and however often it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Writer
from fti_assets.online_store.errors import OnlineStoreError
from fti_assets.online_store.keys import KeyCodec, microseconds
from fti_assets.online_store.window_layouts import Registered, registered
from fti_assets.online_store.window_writing import Event, LayoutWriter, Outcome
from fti_assets.vocabulary import FeatureGroup

if TYPE_CHECKING:
    import pyarrow as pa

_BY_WEIGHT: tuple[Outcome, ...] = ("corrected", "new", "repeated", "late")


@dataclass(frozen=True, slots=True)
class Added:
    """What became of events.

    Attributes:
        new: were not there.
        repeated: were there already, with the same values.
        corrected: took the place of the event of the same entity and event time, which had other values.
        late: are so old that no window reaches them any more; they are not kept.
        outcomes: of each event, in their order.
    """

    new: int
    repeated: int
    corrected: int
    late: int = 0
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False, compare=False)

    @staticmethod
    def of(outcomes: Sequence[Outcome]) -> Added:
        counts = Counter(outcomes)
        return Added(counts["new"], counts["repeated"], counts["corrected"], counts["late"], tuple(outcomes))


def add_events(writer: Writer, group: FeatureGroup, rows: pa.Table | Sequence[Mapping[str, Any]]) -> Added:
    """Keeps events for the windows of the views that are registered.

    An event is told by its entity and event time: the same one again changes nothing, one with other values takes the place of
    what was there. Events that are too old for any window are let go, a few at a time.

    Args:
        writer: of the online store.
        group: whose rows the events are.
        rows: with the columns of the group, as a table or one by one.

    Raises:
        OnlineStoreError: no view that reads the group through windows is registered.
    """
    return _change(writer, group, rows, is_there=True)


def remove_events(writer: Writer, group: FeatureGroup, rows: pa.Table | Sequence[Mapping[str, Any]]) -> Added:
    """Takes events away that were withdrawn; `corrected` are those that were there, `repeated` those that were not."""
    return _change(writer, group, rows, is_there=False)


def _change(writer: Writer, group: FeatureGroup, rows: Any, *, is_there: bool) -> Added:
    said = registered(writer, group)
    if said is None:
        raise OnlineStoreError(
            f"No view is registered that reads '{group.versioned_name}' through windows, so its events are not kept.",
            next_step="Register the view first: OnlineStore.register(view).",
        )
    events = list(_events(said, group, rows, is_there=is_there))
    found = [LayoutWriter(writer, said, layout, group).change(events) for layout in said.layouts]
    return Added.of([min(some, key=_BY_WEIGHT.index) for some in zip(*found, strict=True)])


def _events(said: Registered, group: FeatureGroup, rows: Any, *, is_there: bool) -> Iterable[Event]:
    moments, codec = moments_of(group), said.codec
    for row in rows_of(rows):
        moment, values = moments(row), codec.stored(row)
        yield Event(moment, keys.number_of(moment[:8]), values, codec.encode(values) if is_there else None)


def moments_of(group: FeatureGroup) -> Callable[[Mapping[str, Any]], bytes]:
    """How the moment of an event, its event time and its entity as bytes, is found in a row of a group."""
    codec, names, time = KeyCodec(group.entity.keys), group.entity.key_names, group.event_time
    assert time is not None  # groups that are read through windows have one
    return lambda row: keys.in_order(microseconds(row[time])) + keys.entity_of(codec, [row[name] for name in names])


def rows_of(rows: pa.Table | Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """The rows one by one; times of a table as microseconds."""
    if isinstance(rows, Sequence):
        return rows
    import pyarrow as pa

    columns = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in rows.columns]
    lists = [column.to_pylist() for column in columns]
    return (dict(zip(rows.column_names, values, strict=True)) for values in zip(*lists, strict=True))
