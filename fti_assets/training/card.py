"""Model cards: what a version is for, what it was made of, how good it is and for whom, and what nobody tested. In Markdown.

Source of the form: Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fti_assets.feature_store import Manifest
from fti_assets.training.evaluation import SliceMetrics
from fti_assets.training.evaluation.fairness import SMALLEST_GROUP
from fti_assets.training.report import Report
from fti_assets.vocabulary import METRICS, SPLITS, Categorical, Column, Daily, Model, Numeric, RandomSplit, transformation_of

_MOST_FEATURES, _MOST_SLICES, _MOST_GROUPS, _MOST_EXPLAINED = 60, 20, 40, 10
_PICTURES = "## Pictures"


def model_card(model: Model, manifest: Manifest, report: Report, *, tags: Mapping[str, str], pictures: Iterable[str] = ()) -> str:
    """The card of one version.

    Args:
        model: its contract.
        manifest: of the dataset that it was trained on.
        report: what was measured.
        tags: its lineage.
        pictures: names of the images that lie beside it as `figures/NAME.png`.
    """
    parts = [
        f"# {model.name}\n\n{_text(model.description) or 'No purpose is written down.'}\n\nOwner: {model.owner}",
        _data(manifest),
        _figures(report),
        _threshold(report),
        _slices(report),
        _fairness(report),
        _explanation(report),
        _limits(model, manifest, report),
        _features(model),
        _lineage(model, tags),
        _pictures(pictures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def without_pictures(card: str, most: int = 19_000) -> str:
    """The card for a place where its pictures do not lie beside it, at most about `most` characters of it."""
    text = card.partition(_PICTURES)[0].rstrip() + "\n"
    if len(text) <= most:
        return text
    return text[:most].rpartition("\n")[0] + "\n\nThe rest stands in `card.md` of the version in the registry.\n"


def _data(manifest: Manifest) -> str:
    rows = [
        (split, *(_day(border) for border in manifest.splits[split]), f"{manifest.rows[split]:,}", manifest.positive_share[split])
        for split in SPLITS
    ]
    about = (
        f"Training dataset `{manifest}` of view `{manifest.view}`, snapshot {manifest.snapshot} of the lake, content hash"
        f" `{manifest.content_hash[:12]}`. Label: `{manifest.label}`."
    )
    return f"## Data\n\n{about}\n\n{_table(('split', 'from (UTC)', 'until', 'rows', 'base rate'), rows)}"


def _figures(report: Report) -> str:
    rows = []
    for name in (*METRICS, "base_rate", "mean_prediction"):
        values = [report.evaluations[split].metrics[name] for split in SPLITS]
        interval = report.test.intervals.get(name)
        sure = "" if interval is None or math.isnan(interval.low) else f"{interval.low:.4f} to {interval.high:.4f}"
        rows.append((name, *values, sure))
    parts = ["## Figures", _table(("figure", *SPLITS, "95% interval on test"), rows)]
    if report.baseline is not None and report.gain is not None:
        gain = report.gain.improvement
        sure = "" if math.isnan(gain.low) else f", a gain of {gain.value:.4f} ({gain.low:.4f} to {gain.high:.4f})"
        parts.append(f"A table of base rates reaches an AUC of {report.baseline.metrics['auc']:.4f} on the same rows{sure}.")
    return "\n\n".join(parts)


def _threshold(report: Report) -> str:
    has_costs = report.decided.cost is not None
    names = (
        "threshold",
        "selected",
        "precision",
        "recall",
        "false positive rate",
        "F1",
        *(["cost by row"] if has_costs else []),
    )
    rows = [
        (
            f"**{one.threshold:.4f}**" if one.threshold == report.threshold.value else one.threshold,
            *(one.selected, one.precision, one.recall, one.false_positive_rate, one.f1),
            *([one.cost] if has_costs else []),
        )
        for one in report.thresholds
    ]
    said = f"A row is taken for positive from {report.threshold.value:.4f} on: {report.threshold.rule}. On the test split:"
    return f"## Threshold\n\n{said}\n\n{_table(names, rows)}"


def _slices(report: Report) -> str:
    found = report.test.slices
    if not found:
        return ""
    worst = report.worst
    if worst is None:
        said = f"No slice has {report.slice_rows:,} rows and an AUC."
    else:
        said = f"Worst of the slices with at least {report.slice_rows:,} rows: {_text(str(worst))} with an AUC of {_auc(worst)}."
    lowest = sorted(found, key=lambda one: (math.isnan(one.metrics["auc"]), one.metrics["auc"]))
    rows = [(str(one), f"{one.rows:,}", _auc(one), one.metrics["base_rate"], one.metrics["mean_prediction"]) for one in lowest]
    more = f"\n\n{len(rows) - _MOST_SLICES} more slices are better, or have no AUC." if len(rows) > _MOST_SLICES else ""
    table = _table(("slice", "rows", "AUC (95% interval)", "base rate", "mean prediction"), rows[:_MOST_SLICES])
    return f"## Slices of the test split\n\n{said}\n\n{table}{more}"


def _fairness(report: Report) -> str:
    if not report.fairness:
        return ""
    names = (
        "group",
        "rows",
        "base rate",
        "selected",
        "by highest",
        "true positive rate",
        "false positive rate",
        "calibration",
        "AUC",
    )
    rows = [
        (
            f"{one.column} = {one.value}",
            f"{one.rows:,}",
            one.base_rate,
            one.selection_rate,
            "too few rows" if one.has_too_few_rows else f"{one.selection_ratio:.2f}{' ⚠' * one.breaks_four_fifths}",
            *(one.true_positive_rate, one.false_positive_rate, one.calibration, one.auc),
        )
        for one in report.fairness
    ]
    flagged = sum(one.breaks_four_fifths for one in report.fairness)
    compared = sum(not one.has_too_few_rows for one in report.fairness)
    said = (
        f"At the threshold, {flagged} of {compared} groups of at least {SMALLEST_GROUP} rows break the rule of four fifths (⚠):"
        " they are selected less than four fifths as often as the group of their column that is selected most often. Calibration"
        " is mean prediction minus base rate."
    )
    more = f"\n\n{len(rows) - _MOST_GROUPS} more groups were measured." if len(rows) > _MOST_GROUPS else ""
    return f"## Groups beside one another\n\n{said}\n\n{_table(names, rows[:_MOST_GROUPS])}{more}"


def _explanation(report: Report) -> str:
    found = report.explanation
    rows = [(name, value) for name, value in list(found.importance.items())[:_MOST_EXPLAINED]]
    return (
        f"## What it looks at\n\nMeasured on {found.rows:,} rows of the test split.\n\n{_table(('feature', found.measure), rows)}"
    )


def _limits(model: Model, manifest: Manifest, report: Report) -> str:
    return "## Limits\n\n" + "\n".join(f"- {one}" for one in _found_limits(model, manifest, report))


def _found_limits(model: Model, manifest: Manifest, report: Report) -> Iterator[str]:
    if isinstance(model.dataset.split, RandomSplit):
        yield "Rows were divided at random: how it does on days later than those it was trained on was not tested."
    else:
        first, last = manifest.splits["test"]
        yield f"Tested on the {_days(model.dataset.calendar, first, last)} alone: nothing is known of other seasons."
    horizon = model.dataset.label_horizon
    waited = f" or whose label was not yet {_duration(horizon)} old at the cut-off" if horizon else ""
    if manifest.unlabelled_rows:
        yield f"{manifest.unlabelled_rows:,} rows whose label was not known{waited} are in no split: nothing is known of them."
    yield from _figures_limits(report)
    yield from _slice_limits(model, manifest.rows["test"], report.test.slices)
    if not model.sensitive:
        yield "The contract names no sensitive column: whether groups are treated alike was not tested."
    if model.costs is None:
        yield "The contract names no costs: the threshold weighs false alarms and misses by F1, not by what they cost."


def _figures_limits(report: Report) -> Iterator[str]:
    groups = report.test.groups
    if groups is not None and groups.unit == "row":
        yield "Intervals take every row for independent: the test split has too few days for more. They are rather too narrow."
    elif groups is not None:
        yield f"Intervals come of {groups.count:,} groups of rows (by {groups.unit}), drawn as a whole: rows within one are alike."
    unknown = [name for name in METRICS if math.isnan(report.test.metrics[name])]
    if unknown:
        yield f"Not known, since the test split lacks a class: {', '.join(unknown)}."
    trained, tested = (report.evaluations[split].metrics["base_rate"] for split in ("train", "test"))
    if abs(tested - trained) > 0.1 * max(trained, tested):
        yield f"The base rate was {trained:.3f} in training and {tested:.3f} in the test: what it was trained on has shifted."


def _slice_limits(model: Model, rows: int, found: Sequence[SliceMetrics]) -> Iterator[str]:
    for column in model.slices:
        rest = rows - sum(one.rows for one in found if one.column == column)
        if rest:
            few = f"with under {model.smallest_slice} rows"
            yield f"{rest:,} test rows have a value of `{column}` {few}: not measured by themselves."


def _features(model: Model) -> str:
    columns = model.view.feature_columns
    rows = [(one.name, one.type, one.unit or "", _transformed(model, one), one.description) for one in columns[:_MOST_FEATURES]]
    more = f"\n\n{len(columns) - _MOST_FEATURES} more features are in the view." if len(columns) > _MOST_FEATURES else ""
    names = ("feature", "type", "unit", "transformed", "meaning")
    computed = "".join(f"\n\n`{one.name}` is computed on demand, of {', '.join(one.reads)}." for one in model.view.on_demand)
    return f"## Features of view `{model.view.versioned_name}`\n\n{_table(names, rows)}{more}{computed}"


def _transformed(model: Model, column: Column) -> str:
    """What becomes of a feature, in words."""
    one = transformation_of(model.transformations, column)
    if isinstance(one, Categorical):
        rare = f", under {one.minimum_rows} rows missing" if one.minimum_rows > 1 else ""
        return ("codes" if one.encode == "codes" else "one-hot") + rare
    assert isinstance(one, Numeric)
    steps = [f"missing: {one.impute}" if one.impute is not None else "", "indicator" if one.indicator else "", one.scale or ""]
    return ", ".join(filter(None, steps)) or "as it is"


def _lineage(model: Model, tags: Mapping[str, str]) -> str:
    table = _table(("tag", "value"), sorted(tags.items()))
    code = (
        "```python\nfrom fti_assets.stores import model_registry\n\n"
        f'model = model_registry().load("{model.name}", "champion")  # or the number of a version\n'
        "model.predict(rows)  # probabilities; rows hold the features as the view gives them\n```"
    )
    return f"## Where it comes from\n\n{table}\n\n## How to load it\n\n{code}"


def _pictures(names: Iterable[str]) -> str:
    shown = "\n\n".join(f"![{name}](figures/{name}.png)" for name in names)
    return f"{_PICTURES}\n\n{shown}" if shown else ""


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [[_text(name) for name in names], ["---"] * len(names), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "not known" if math.isnan(value) else f"{value:.4f}"
    return _text(str(value))


def _text(value: str) -> str:
    """A text that stays in its cell."""
    return " ".join(value.split()).replace("|", "\\|")


def _auc(one: SliceMetrics) -> str:
    return str(one.auc) if one.auc is not None else _cell(one.metrics["auc"])


def _day(instant: str) -> str:
    return instant[:10]


def _days(calendar: Daily, first: str, last: str) -> str:
    """How many days lie between two midnights of a calendar, and which; not as instants, as a day may have 23 or 25 hours."""
    start, end = (calendar.day(calendar.key(datetime.fromisoformat(one))) for one in (first, last))
    days = (end - start).days
    return f"{days} day{'' if days == 1 else 's'} from {start} to {end} ({calendar.timezone})"


def _duration(horizon: timedelta) -> str:
    """In days where it is so many whole ones, else in hours."""
    if horizon % timedelta(days=1):
        return f"{horizon / timedelta(hours=1):g} hours"
    return f"{horizon.days} day{'' if horizon.days == 1 else 's'}"
