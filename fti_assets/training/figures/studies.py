"""Pictures of several trainings: the trials of a search, the cut-offs of a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from fti_assets.training.figures.style import BLUE, GREY, ORANGE, as_png, new_figure


def search_progress(losses: Sequence[float | None]) -> bytes:
    """The loss of each trial in order, and the least until then; trials that failed leave a gap."""
    figure, axes = new_figure("Search", "Trial", "Log loss on validation")
    known = [(number, loss) for number, loss in enumerate(losses) if loss is not None]
    least = [min(loss for _, loss in known[: n + 1]) for n in range(len(known))]
    axes.plot([n for n, _ in known], [loss for _, loss in known], color=GREY, marker="o", linestyle="", markersize=4, label="trial")
    axes.step([n for n, _ in known], least, color=BLUE, linewidth=2, where="post", label="least until then")
    if known:
        # Trials that went badly would press the others into one line.
        low, high = min(least), sorted(loss for _, loss in known)[int(0.8 * (len(known) - 1))]
        axes.set_ylim(low - 0.1 * (high - low or low), high + 0.3 * (high - low or low))
    axes.legend(loc="upper right")
    return as_png(figure)


def over_cutoffs(metrics: Mapping[date, Mapping[str, float]]) -> bytes:
    """AUC and average precision on the test days before each cut-off, beside their base rate."""
    figure, axes = new_figure("Backtest", "Cut-off", "On the test days before it")
    days = sorted(metrics)
    for name, label, colour, line in (
        ("auc", "AUC", BLUE, "-"),
        ("average_precision", "average precision", ORANGE, "--"),
        ("base_rate", "base rate", GREY, ":"),
    ):
        axes.plot(days, [metrics[day][name] for day in days], color=colour, linestyle=line, marker="o", markersize=4, label=label)
    axes.set_xticks(days, [f"{day.day} {day:%b %y}" for day in days], rotation=30, ha="right")
    axes.legend(loc="best")
    return as_png(figure)
