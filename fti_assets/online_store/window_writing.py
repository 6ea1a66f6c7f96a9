"""How the events of one layout are written: events, tiles, and what is known of each key, all in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from fti_assets.online_store import window_keys as keys
from fti_assets.online_store.backend import Writer
from fti_assets.online_store.keys import KeyCodec
from fti_assets.online_store.window_counting import Counted, TileWriter
from fti_assets.online_store.window_layouts import EventLayout, Registered
from fti_assets.online_store.window_values import Stored
from fti_assets.vocabulary import FeatureGroup

Outcome = Literal["new", "repeated", "corrected", "late"]
_PRUNED = 100
"""How many events of one key are let go at once; twice as many as came, where that is more."""


class Event(NamedTuple):
    """An event as it is kept.

    Attributes:
        moment: its event time and its entity as bytes; no other event has the same.
        time: the event time in microseconds.
        values: of the columns kept.
        data: the same as bytes; None takes the event away.
    """

    moment: bytes
    time: int
    values: tuple[Stored, ...]
    data: bytes | None


class Head(NamedTuple):
    """What is known of all events of one key.

    Attributes:
        newest: time of the newest one.
        known_after: events up to this time may be missing.
        changes: how often any of them, or a tile, has changed; readers without snapshots see by it that nothing did meanwhile.
    """

    newest: int
    known_after: int
    changes: int

    @staticmethod
    def read(data: bytes | None) -> Head | None:
        return None if data is None else Head(*map(keys.number_of, (data[:8], data[8:16], data[16:])))

    def written(self) -> bytes:
        return b"".join(map(keys.in_order, self))


ALWAYS = -(1 << 63)


class LayoutWriter:
    """Writes the events of one layout."""

    def __init__(self, writer: Writer, said: Registered, layout: EventLayout, group: FeatureGroup) -> None:
        self._writer, self._said, self._layout, self._table = writer, said, layout, said.table(layout)
        self._by = [said.place(name) for name in layout.by]
        self._codec = KeyCodec([said.codec.columns[place] for place in self._by])
        self._tiles = TileWriter(writer, said, layout)
        self._moves = not set(layout.by) <= set(group.entity.key_names)
        """Whether a corrected event may belong to another key than before, so that its place has to be looked up."""

    def change(self, events: Sequence[Event]) -> list[Outcome]:
        """Keeps events, or takes them away, and says what became of each."""
        prefixes = [keys.prefix_of(self._codec, [event.values[n] for n in self._by]) for event in events]
        stands = self._standing(prefixes, events)
        heads = self._heads([*prefixes, *(prefix for prefix, _ in stands.values())])
        newest = {prefix: head.newest if head else ALWAYS for prefix, head in heads.items()}
        for prefix, event in zip(prefixes, events, strict=True):
            if event.data is not None:
                newest[prefix] = max(event.time, newest[prefix])
        walk = _Walk(stands, {prefix: time - self._layout.keep for prefix, time in newest.items()})
        outcomes = [walk.outcome(prefix, event) for prefix, event in zip(prefixes, events, strict=True)]
        changed = self._write(stands, walk.changed) | walk.forgotten.keys()
        came = Counter(prefixes)
        put = [(prefix, self._head(prefix, heads[prefix], newest[prefix], walk.forgotten, came[prefix])) for prefix in changed]
        self._writer.put_many(self._table, sorted((keys.HEADS + prefix, head.written()) for prefix, head in put), ordered=True)
        return outcomes

    def _heads(self, prefixes: Iterable[bytes]) -> dict[bytes, Head | None]:
        different = list(dict.fromkeys(prefixes))
        found = self._writer.get_many(self._table, [keys.HEADS + prefix for prefix in different])
        return dict(zip(different, map(Head.read, found), strict=True))

    def _standing(self, prefixes: Sequence[bytes], events: Sequence[Event]) -> dict[bytes, tuple[bytes, Event]]:
        """What is there of the same entity and event time, and under which key, by moment."""
        where: Sequence[bytes | None] = prefixes
        if self._moves:
            where = self._writer.get_many(self._table, [keys.PLACES + event.moment for event in events])
        asked = {event.moment: (prefix, event) for prefix, event in zip(where, events, strict=True) if prefix is not None}
        found = self._writer.get_many(self._table, [keys.event_key(prefix, moment) for moment, (prefix, _) in asked.items()])
        decode = self._said.codec.decode
        return {
            moment: (prefix, Event(moment, event.time, decode(data), data))
            for (moment, (prefix, event)), data in zip(asked.items(), found, strict=True)
            if data is not None
        }

    def _write(
        self, stands: Mapping[bytes, tuple[bytes, Event]], changed: Mapping[bytes, tuple[bytes, Event] | None]
    ) -> set[bytes]:
        """Writes what stands now in place of what stood. Returns what stands for the keys whose events changed."""
        gone = [(moment, stands[moment][0]) for moment in changed if moment in stands]
        kept = [place for place in changed.values() if place is not None]
        self._writer.delete_many(self._table, [keys.event_key(prefix, moment) for moment, prefix in gone])
        put = [(keys.event_key(prefix, event.moment), event.data or b"") for prefix, event in kept]
        if self._moves:
            lost = [keys.PLACES + moment for moment, place in changed.items() if place is None]
            self._writer.delete_many(self._table, lost)
            put += [(keys.PLACES + event.moment, prefix) for prefix, event in kept]
        self._writer.put_many(self._table, sorted(put), ordered=True)
        before = [stands[moment] for moment, _ in gone]
        changed_at = [(prefix, event.time) for prefix, event in (*before, *(place for place in kept if place[1].moment in stands))]
        new = [Counted(prefix, event.time, event.values) for prefix, event in kept if event.moment not in stands]
        self._tiles.count(new, changed_at)
        return {prefix for prefix, _ in (*before, *kept)}

    def _head(self, prefix: bytes, before: Head | None, newest: int, forgotten: Mapping[bytes, int], came: int) -> Head:
        """What is known of the events of a key now, after some that are too old have been let go."""
        known_after = max(before.known_after if before else ALWAYS, forgotten.get(prefix, ALWAYS))
        if before and newest > before.newest:
            known_after = max(known_after, self._prune(prefix, newest - self._layout.keep, max(_PRUNED, 2 * came)))
        return Head(newest, known_after, before.changes + 1 if before else 1)

    def _prune(self, prefix: bytes, horizon: int, most: int) -> int:
        """Lets go of some of the events up to `horizon`, the oldest first. Returns the time of the last of them."""
        old = list(islice(self._writer.scan(self._table, *keys.up_to(keys.EVENTS, prefix, horizon + 1)), most))
        if not old:
            return ALWAYS
        gone = [key for key, _ in old]
        last = keys.number_of(gone[-1][keys.TIME])
        if self._moves:
            gone += [keys.PLACES + key[keys.TIME.start :] for key in gone]
        gone += self._tiles.prune(prefix, last, most)
        self._writer.delete_many(self._table, gone)
        return last


class _Walk:
    """Events one after the other, each compared with what stands then."""

    def __init__(self, stands: Mapping[bytes, tuple[bytes, Event]], horizons: Mapping[bytes, int]) -> None:
        self._stands, self._horizons = stands, horizons
        self.changed: dict[bytes, tuple[bytes, Event] | None] = {}
        """What stands in the end, by moment, where it is not what stood before; None where nothing does."""
        self.forgotten: dict[bytes, int] = {}
        """The time of the newest event of each key that was too old to be kept."""

    def outcome(self, prefix: bytes, event: Event) -> Outcome:
        stands = self.changed[event.moment] if event.moment in self.changed else self._stands.get(event.moment)
        is_there = stands is not None and stands[0] == prefix
        is_late = event.data is not None and event.time <= self._horizons[prefix] and not is_there
        if is_late:
            self.forgotten[prefix] = max(event.time, self.forgotten.get(prefix, ALWAYS))
        kept = None if event.data is None or is_late else (prefix, event)
        if stands is None and kept is None:
            return "late" if is_late else "repeated"
        if is_there and stands is not None and stands[1].data == event.data:
            return "repeated"
        self.changed[event.moment] = kept
        return "new" if stands is None else "corrected"
