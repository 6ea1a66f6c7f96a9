"""Windows of time, and the calendar that cuts time into daily partitions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fti_assets.errors import DefinitionError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open span of time: `start <= t < end`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value = getattr(self, name)
            if value.tzinfo is None:
                raise DefinitionError(f"The {name} of a window must carry a time zone, but {value.isoformat()} carries none.")
            object.__setattr__(self, name, value.astimezone(UTC))
        if self.end <= self.start:
            raise DefinitionError(f"A window must end after it starts: {self}.")

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%d %H:%M} .. {self.end:%Y-%m-%d %H:%M}) UTC"

    def reaching_back(self, by: timedelta, ahead: timedelta = timedelta()) -> Window:
        """The window widened into the past by `by` and into the future by `ahead`."""
        return Window(self.start - by, self.end + ahead)

    def holds(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Daily partitions: local days of one time zone, `start` inclusive, `end` exclusive (open when None).

    Partition keys are ISO dates. A day's window has 23 or 25 hours where the clocks change.
    """

    start: str
    end: str | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        start = self.day(self.start)
        if self.end is not None and self.day(self.end) <= start:
            raise DefinitionError(f"A calendar must end after it starts: {self.start} .. {self.end}.")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a name too long, or of a folder of zones
            raise DefinitionError(
                f"{self.timezone!r} is not a time zone.", next_step="Use a name of the IANA database, such as America/New_York."
            ) from error

    @staticmethod
    def day(key: str) -> date:
        """The date that a partition key names.

        Raises:
            DefinitionError: the key is not written as YYYY-MM-DD.
        """
        if not isinstance(key, str) or not _DAY.fullmatch(key):
            raise DefinitionError(f"{key!r} is not a day.", next_step="Write it as YYYY-MM-DD.")
        try:
            return date.fromisoformat(key)
        except ValueError as error:
            raise DefinitionError(f"{key!r} is not a day of the calendar: {error}.") from error

    def midnight(self, day: date) -> datetime:
        """The instant (UTC) at which `day` begins in this calendar's time zone."""
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def window(self, first: str, last: str | None = None) -> Window:
        """The window of the days `first` to `last`, both inclusive; of the one day when `last` is not given."""
        last_day = self.day(last or first)
        return Window(self.midnight(self.day(first)), self.midnight(last_day + timedelta(days=1)))

    def span(self, *, until: datetime | None = None) -> Window:
        """The whole calendar; an open one ends at `until`, or at the last midnight that has passed."""
        if self.end is not None:
            return Window(self.midnight(self.day(self.start)), self.midnight(self.day(self.end)))
        return Window(self.midnight(self.day(self.start)), until or self.midnight(self.today()))

    def today(self) -> date:
        return datetime.now(ZoneInfo(self.timezone)).date()

    def key(self, instant: datetime) -> str:
        """The partition key of the day in which `instant` lies."""
        return instant.astimezone(ZoneInfo(self.timezone)).date().isoformat()

    def keys(self, window: Window) -> list[str]:
        """The keys of the days that overlap `window`, in order."""
        first = self.day(self.key(window.start))
        last = self.day(self.key(window.end - timedelta(microseconds=1)))
        return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]

    def holds(self, key: str) -> bool:
        """Whether the calendar has a partition of that key."""
        day = self.day(key)
        return day >= self.day(self.start) and (self.end is None or day < self.day(self.end))

    def shifted(self, key: str, days: int) -> str:
        """The key of the day that lies `days` after `key`, whether the calendar holds it or not."""
        return (self.day(key) + timedelta(days=days)).isoformat()
