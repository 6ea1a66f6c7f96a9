"""The feature groups of which a stream takes events, and what becomes of these online."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fti_assets.errors import NotFoundError
from fti_assets.vocabulary import FeatureGroup, FeatureView, WindowedSelection, groups_of


@dataclass(frozen=True, slots=True)
class StreamedGroup:
    """A feature group whose rows are events.

    Attributes:
        is_windowed: whether views aggregate it over windows, so that its events are kept online.
        is_row: whether the newest row of each entity is kept online.
    """

    group: FeatureGroup
    is_windowed: bool
    is_row: bool

    @property
    def name(self) -> str:
        return self.group.versioned_name


def streamed_groups(groups: Iterable[FeatureGroup], views: Sequence[FeatureView]) -> list[StreamedGroup]:
    """Of some groups those that take events: that have an event time, and are online or read through windows.

    Of a group that is read through windows only, no newest rows are kept.

    Raises:
        NotFoundError: there is none.
    """
    windowed = {one.group for view in views for one in view.joined if isinstance(one, WindowedSelection)}
    by_row = {group for view in views for group in _by_row(view)}
    found = [
        StreamedGroup(group, is_windowed=group in windowed, is_row=group.online and (group in by_row or group not in windowed))
        for group in groups
        if group.event_time is not None and (group.online or group in windowed)
    ]
    if not found:
        raise NotFoundError(
            "There is no feature group that takes events.",
            next_step="Say online=True in the contract of one that has an event time, or read one through windows.",
        )
    return found


def _by_row(view: FeatureView) -> list[FeatureGroup]:
    """The groups of which a view reads the newest row of an entity."""
    nested = [group for one in view.joined for group in groups_of(one)[:-1]]
    return [*nested, *(one.group for one in view.joined if not isinstance(one, WindowedSelection)), view.spine]
