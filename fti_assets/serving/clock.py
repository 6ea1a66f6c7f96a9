"""What the present is, for requests that give no time: the clock, or where the calendar has ended an instant in the past."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fti_assets.errors import FtiError
from fti_assets.serving.request_reading import instant, microseconds

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore
    from fti_assets.vocabulary import FeatureView

GRACE = timedelta(days=2)
"""Calendars that ended so long ago at most have not ended yet: their last day is still being collected."""


class Clock:
    """The present of one server.

    Args:
        fixed: an instant at which it stands; None lets it go.
    """

    def __init__(self, fixed: datetime | None = None) -> None:
        self._fixed = None if fixed is None else microseconds(fixed)
        self.said = "given" if fixed else "real"

    def now(self) -> int:
        """Microseconds since 1970, UTC."""
        return time.time_ns() // 1_000 if self._fixed is None else self._fixed

    def follow(self, views: Iterable[FeatureView], store: OnlineStore) -> None:
        """Stands at the newest event in the online store, where the calendar of every view has ended and no time was given.

        What cannot be read leaves it as it is.
        """
        if self.said == "given":
            return
        spans = list(views)
        if not all(_has_ended(view) for view in spans):
            return
        try:
            newest = _newest_event(spans, store)
        except FtiError:
            return
        if newest is not None:
            self._fixed, self.said = microseconds(newest), "newest event in the online store"

    def as_data(self) -> dict[str, object]:
        return {"now": instant(self.now()), "is": self.said}


def _has_ended(view: FeatureView) -> bool:
    cadence = view.spine.cadence
    end = None if cadence is None or cadence.end is None else datetime.fromisoformat(str(cadence.end)).replace(tzinfo=UTC)
    return end is not None and end + GRACE < datetime.now(UTC)


def _newest_event(views: Iterable[FeatureView], store: OnlineStore) -> datetime | None:
    names = {group.versioned_name for view in views for group in view.groups if group != view.label.group}
    times = [table.newest_event for table in store.tables() if table.name in names and table.newest_event is not None]
    return max(times, default=None)
