"""`fti features stats`: what the values of a feature group are, as a table, a picture or JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti_assets.cli.features.groups import Name, days, find
from fti_assets.cli.options import AsJson, FirstDay, LastDay
from fti_assets.cli.stores import feature_store
from fti_assets.cli.terminal import say, share, show_json, show_table, title, width
from fti_assets.errors import DefinitionError
from fti_assets.vocabulary import Daily, Window

if TYPE_CHECKING:
    from fti_assets.feature_store import TableInfo
    from fti_assets.feature_store.catalogue.statistics import FeatureStatistics, GroupStatistics

EXAMPLES = """
[bold]Examples:[/bold]

fti features stats origin_weather

fti features stats origin_weather --first 2013-07-01 --last 2013-07-31

fti features stats origin_weather --by-day                 [dim]# how means and nulls went from day to day[/dim]

fti features stats origin_weather --plot weather.png       [dim]# the same as a picture[/dim]
"""
BLOCKS = "▁▂▃▄▅▆▇█"
WIDE, MIDDLING = 130, 100
Column = tuple[str, int, Callable[["FeatureStatistics"], object]]


def stats(
    name: Name,
    first: FirstDay = None,
    last: LastDay = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="Each day too, as small curves.")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Write a picture (PNG), by day too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show counts, nulls, means, deviations, percentiles and the distribution of each feature."""
    store = feature_store()
    info = find(store, name)
    found = store.statistics(info.name, window_of(info, first, last), by="day" if by_day or plot else None)
    if plot is not None:
        from fti_assets.feature_store.catalogue.statistics_picture import picture

        plot.write_bytes(picture(found, info.description.get("description", "")))
    if as_json:
        show_json(asdict(found))
        return
    say(f"{info}", "bold")
    say(_scope(found, info), "dim")
    _show_features(found)
    if by_day and found.days:
        _show_days(found)
    if plot is not None:
        say(f"\nPicture: {plot}")


def window_of(info: TableInfo, first: str | None, last: str | None) -> Window | None:
    """The window of days of the group's calendar; one that is left open ends where the calendar does.

    Raises:
        DefinitionError: the group has no calendar, or the days are not in order.
    """
    if first is None and last is None:
        return None
    cadence = info.description.get("cadence")
    if not cadence:
        why = "does not tell its calendar: it was published by an older version" if info.description.get("time") else "is static"
        raise DefinitionError(f"'{info.name}' {why}, so it has no days.", next_step="Leave --from and --until out.")
    calendar = Daily(**cadence)
    end = calendar.shifted(cadence["end"], -1) if cadence["end"] else calendar.today().isoformat()
    return calendar.window(first or calendar.start, last or max(end, first or end))


def _scope(found: GroupStatistics, info: TableInfo) -> str:
    when = f" of {days(found.window, info.description.get('timezone'))}" if found.window else ""
    about = "" if found.exact else "; percentiles and distinct counts are approximate"
    return f"{found.rows:,} rows{when}, snapshot {found.snapshot} of the lake{about}"


def _show_features(found: GroupStatistics) -> None:
    room = width()
    columns = [column for column in _COLUMNS if column[1] <= room]
    bins = 20 if room >= MIDDLING else 10
    names = [heading for heading, _, _ in columns]
    rows = [[*(value(one) for _, _, value in columns), _distribution(one, bins)] for one in found.features]
    figures = [heading for heading in names if heading not in ("feature", "unit")]
    show_table([*names, "distribution"], rows, right=figures, whole=figures)


def _figure(value: Any) -> str | None:
    """A figure with four digits, in a form that is soon read."""
    if value is None:
        return None
    if isinstance(value, (datetime, date)):
        return f"{value:%Y-%m-%d}"
    size = abs(value)
    if size >= 10_000_000 or (0 < size < 0.001):
        return f"{value:.3g}"
    if size >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 1_000 or value == int(value) else f"{value:.4g}"  # 1956 may be a year


def _nulls(one: FeatureStatistics) -> str:
    lacking = one.nulls + one.not_finite
    return _share(lacking / one.rows) if lacking else ""


def _share(value: float) -> str:
    return share(value) if value >= 0.0005 else "<0.1%"


_COLUMNS: tuple[Column, ...] = (
    ("feature", 0, lambda one: one.name),
    ("unit", WIDE, lambda one: one.unit or ""),
    ("nulls", 0, _nulls),
    ("distinct", WIDE, lambda one: one.distinct),
    ("mean", 0, lambda one: _figure(one.mean)),
    ("deviation", MIDDLING, lambda one: _figure(one.std)),
    ("min", 0, lambda one: _figure(one.minimum)),
    ("5%", WIDE, lambda one: _figure(one.percentiles.get(5))),
    ("25%", WIDE, lambda one: _figure(one.percentiles.get(25))),
    ("median", 0, lambda one: _figure(one.percentiles.get(50))),
    ("75%", WIDE, lambda one: _figure(one.percentiles.get(75))),
    ("95%", WIDE, lambda one: _figure(one.percentiles.get(95))),
    ("max", 0, lambda one: _figure(one.maximum)),
)
"""Heading, the width of terminal from which on it is shown, and value of each column."""


def _distribution(one: FeatureStatistics, bins: int) -> str:
    """The histogram as blocks, or the most frequent values."""
    if one.counts:
        step = -(-len(one.counts) // bins)
        return blocks([sum(one.counts[n : n + step]) for n in range(0, len(one.counts), step)])
    values = sum(count for _, count in one.top) and one.rows - one.nulls
    shown = [f"{_word(value)} {count / values:.0%}" for value, count in one.top[: 2 if bins < 20 else 3]]
    return ", ".join(shown)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if len(text) <= 12 else f"{text[:11]}…"


def blocks(values: Sequence[float | None]) -> str:
    """Values as blocks of a height from the lowest to the highest; a gap where there is none."""
    known = [value for value in values if value is not None]
    top = max(known, default=0)
    if top <= 0:
        return "".join(" " if value is None else BLOCKS[0] for value in values)
    return "".join(" " if not value else BLOCKS[min(7, int(value / top * 8))] for value in values)


def _show_days(found: GroupStatistics) -> None:
    every = next(iter(found.days.values()))
    title(f"By day, {every[0].day} to {every[-1].day}")
    room = max(10, min(60, width() - 64))
    rows = []
    for one in found.features:
        told = found.days[one.name]
        known = [day.mean for day in told if day.mean is not None]
        nulls = max(day.nulls / day.rows for day in told)
        curve = _curve(_thinned([day.mean for day in told], room))
        figures = [_figure(one_of(known)) if known and one.percentiles else None for one_of in (min, max)]
        rows.append((one.name, curve, *figures, _share(nulls) if nulls else ""))
    show_table(["feature", "mean of the day", "lowest", "highest", "most nulls"], rows, right=("lowest", "highest", "most nulls"))


def _curve(values: Sequence[float | None]) -> str:
    """Values as blocks, the lowest of them as the lowest block."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0), max(known, default=0)
    step = (high - low) / 8 or 1
    return blocks([None if value is None else value - low + step for value in values])


def _thinned(values: Sequence[float | None], room: int) -> list[float | None]:
    """At most `room` values: the means of as many neighbours as it takes."""
    step = -(-len(values) // room)
    parts = [[value for value in values[n : n + step] if value is not None] for n in range(0, len(values), step)]
    return [sum(part) / len(part) if part else None for part in parts]
