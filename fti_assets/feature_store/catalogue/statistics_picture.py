"""Statistics as a picture: for each feature its distribution and, where days are told, how it went. Needs matplotlib.

Colours by Okabe and Ito, which colour-blind readers tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import pairwise
from typing import Any

from fti_assets.errors import FtiError
from fti_assets.feature_store.catalogue.statistics import DayStatistics, FeatureStatistics, GroupStatistics

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, FAINT, GRID = "#333333", "#888888", "#e6e6e6"
SMALL, PLAIN, LARGE = 7.5, 8.5, 10
WORDS = 6


def picture(statistics: GroupStatistics, description: str = "") -> bytes:
    """A PNG with one line for each feature: histogram or most frequent values, then mean and nulls by day.

    Without days, the distributions stand beside each other.

    Raises:
        FtiError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise FtiError("A picture needs matplotlib.", next_step="pip install 'fti-assets[training]'") from error
    features, by_day = statistics.features, bool(statistics.days)
    across = 1 if by_day else min(3, len(features))
    down = math.ceil(len(features) / across)
    size = (11.5, 1.75 * down + 1.1) if by_day else (3.9 * across, 2.1 * down + 1.1)
    figure = Figure(figsize=size, dpi=110, facecolor="white")
    top = 1 - 0.8 / size[1]
    grid = figure.add_gridspec(down, across, left=0.055, right=0.98, top=top, bottom=0.42 / size[1], hspace=0.6, wspace=0.2)
    _head(figure, statistics, description)
    for n, feature in enumerate(features):
        cell = grid[n // across, n % across]
        if not by_day:
            _distribution(figure.add_subplot(cell), feature)
            continue
        inner = cell.subgridspec(1, 2, width_ratios=(1, 2.1), wspace=0.14)
        _distribution(figure.add_subplot(inner[0, 0]), feature)
        strips = inner[0, 1].subgridspec(2, 1, height_ratios=(4, 1), hspace=0.18)
        _by_day(figure.add_subplot(strips[0, 0]), figure.add_subplot(strips[1, 0]), feature, statistics.days[feature.name])
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _head(figure: Any, statistics: GroupStatistics, description: str) -> None:
    height = figure.get_figheight()
    said = [f"{statistics.rows:,} rows", f"snapshot {statistics.snapshot}"]
    if statistics.window:
        said.insert(1, f"{statistics.window.start:%Y-%m-%d %H:%M} to {statistics.window.end:%Y-%m-%d %H:%M} UTC")
    if not statistics.exact:
        said.append("percentiles approximate")
    figure.text(0.015, 1 - 0.14 / height, statistics.table, fontsize=13, weight="bold", color=INK, va="top")
    figure.text(0.985, 1 - 0.16 / height, "  ·  ".join(said), fontsize=PLAIN, color=FAINT, va="top", ha="right")
    figure.text(0.015, 1 - 0.36 / height, description, fontsize=PLAIN, color=FAINT, va="top")
    figure.text(0.985, 1 - 0.36 / height, _KEY, fontsize=PLAIN, color=FAINT, va="top", ha="right")


_KEY = "shaded: from the 5th to the 95th percentile  ·  red line: median"


def _distribution(axes: Any, feature: FeatureStatistics) -> None:
    unit = f"  {feature.unit}" if feature.unit else ""
    axes.set_title(f"{feature.name}", fontsize=LARGE, color=INK, loc="left", pad=6, weight="bold")
    axes.annotate(
        f"{unit}{_missing(feature)}".strip(),
        (1, 1),
        (0, 7),
        "axes fraction",
        "offset points",
        fontsize=SMALL,
        color=FAINT,
        ha="right",
    )
    if feature.counts:
        _histogram(axes, feature)
    elif feature.top:
        _words(axes, feature)
    else:
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center", fontsize=PLAIN, color=FAINT)
        axes.set(xticks=[], yticks=[])
    _bare(axes)


def _missing(feature: FeatureStatistics) -> str:
    lacking = feature.nulls + feature.not_finite
    return f"   {_share(lacking / feature.rows)} null" if lacking else ""


def _share(value: float) -> str:
    return f"{value:.1%}" if value >= 0.0005 else "<0.1%"


def _histogram(axes: Any, feature: FeatureStatistics) -> None:
    edges = [_number(edge) for edge in feature.edges]
    widths = [(right - left) or 1.0 for left, right in pairwise(edges)]
    low, high = (_number(feature.percentiles[percent]) for percent in (5, 95))
    axes.axvspan(low, high, color=BLUE, alpha=0.08, linewidth=0)
    axes.bar(edges[:-1], feature.counts, widths, align="edge", color=BLUE, edgecolor="white", linewidth=0.6)
    axes.axvline(_number(feature.percentiles[50]), color=ORANGE, linewidth=1.3)
    axes.set_yticks([])
    axes.margins(x=0.01)
    axes.locator_params(axis="x", nbins=5)
    if isinstance(feature.edges[0], (date, datetime)):
        ticks = axes.get_xticks()
        axes.set_xticks(ticks, [f"{datetime.fromtimestamp(tick, UTC):%Y-%m-%d}" for tick in ticks])


def _words(axes: Any, feature: FeatureStatistics) -> None:
    shown = feature.top[:WORDS][::-1]
    values = feature.rows - feature.nulls
    shares = [count / values for _, count in shown]
    axes.barh(range(len(shown)), shares, color=BLUE, height=0.72)
    for n, (word, _) in enumerate(shown):
        inside = shares[n] > 0.55 * max(shares)
        text = f"{_word(word)}  {_share(shares[n])}"
        place = (shares[n] - 0.015 * max(shares), "right", "white") if inside else (shares[n] + 0.015 * max(shares), "left", INK)
        axes.text(place[0], n, text, ha=place[1], color=place[2], va="center", fontsize=SMALL)
    axes.set(xticks=[], yticks=[])


def _word(value: Any) -> str:
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"


def _by_day(axes: Any, strip: Any, feature: FeatureStatistics, told: Sequence[DayStatistics]) -> None:
    days = [date.fromisoformat(one.day) for one in told]
    nan = math.nan
    means, lows, highs = (
        [nan if v is None else v for v in (getattr(one, name) for one in told)] for name in ("mean", "low", "high")
    )
    if feature.type == "string":
        axes.plot(days, [one.rows for one in told], color=GREEN, linewidth=1.2)
        axes.set_ylim(bottom=0)
        label = "rows a day"
    else:
        if feature.type != "bool":
            axes.fill_between(days, lows, highs, color=BLUE, alpha=0.14, linewidth=0)
        axes.plot(days, means, color=BLUE, linewidth=1.3, marker="o" if len(days) < 8 else None, markersize=3)
        label = "share by day" if feature.type == "bool" else "mean by day"
    axes.annotate(label, (1, 1), (0, 4), "axes fraction", "offset points", fontsize=SMALL, color=FAINT, ha="right")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.7)
    axes.locator_params(axis="y", nbins=4)
    strip.fill_between(days, [one.nulls / one.rows for one in told], step="mid", color=ORANGE, alpha=0.85, linewidth=0)
    strip.set(ylim=(0, 1), yticks=[1])
    strip.set_yticklabels(["100% null" if any(one.nulls for one in told) else "no nulls"])
    _days_below(axes, strip, days)


def _days_below(axes: Any, strip: Any, days: Sequence[date]) -> None:
    count = min(7, len(days))
    ticks = [days[round(n * (len(days) - 1) / max(1, count - 1))] for n in range(count)]
    for one in (axes, strip):
        one.set_xlim(days[0], days[-1] if len(days) > 1 else None)
        one.set_xticks(ticks, [])
        _bare(one)
    years = [n == 0 or day.year != ticks[n - 1].year for n, day in enumerate(ticks)]
    below = [f"\n{day.year}" if year else "" for day, year in zip(ticks, years, strict=True)]
    strip.set_xticklabels([f"{day.day} {day:%b}{text}" for day, text in zip(ticks, below, strict=True)])


def _bare(axes: Any) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(labelsize=SMALL, colors=FAINT, labelcolor=INK, length=2)
    axes.set_axisbelow(True)


def _number(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return float(value)
