"""What was measured as tables: figures with ratios, and what the server is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.serving.contest import LOADS, STEADY, Contest, Measured
from benchmarks.serving.contestants import Contestant
from benchmarks.serving.driving import Load
from benchmarks.serving.in_process import Lookups
from benchmarks.serving.questions import Task
from benchmarks.sheets import Sheet

PUBLISHED = {1: 3.0, 100: 21.0, 500: 68.0}
"""Lookup p99 of Hopsworks' online store in milliseconds by rows, as published by them: not measured here."""
_TITLES: dict[Task, str] = {"predict": "Prediction", "lookup": "Lookup of 30 features in 3 groups", "constant": "Constant"}
_OURS: dict[Task, str] = {"predict": "ours", "lookup": "lookup"}
_ONE, _SIXTEEN = Load(1), Load(16)


def sheets(contest: Contest, taking_part: Sequence[Contestant]) -> list[Sheet]:
    """A table for each task and load; the constant stands beside the predictions of one row."""
    found = [_sheet(contest, taking_part, task, load) for task in ("predict", "lookup") for load in LOADS]
    return [sheet for sheet in found if sheet.rows]


def _sheet(contest: Contest, taking_part: Sequence[Contestant], task: Task, load: Load) -> Sheet:
    tasks = (task, "constant") if task == "predict" else (task,)
    shown = [one for one in contest.measured.values() if one.case.task in tasks and one.case.load == load]
    names = {one.key: one.name for one in taking_part}
    order = list(names)
    lines = []
    for one in sorted(shown, key=lambda one: (one.case.rows, order.index(one.case.contestant))):
        ours = contest.find(_OURS[task], task, one.case.rows, load)
        lines.append(
            (
                names[one.case.contestant],
                str(one.case.rows),
                f"{one.p50:.2f}",
                f"{one.p99:.2f}",
                f"{one.rate:,.0f}",
                f"{one.cpu:.2f}",
                _ratio(one.p50, ours.p50 if ours else math.nan),
                _ratio(one.rate, ours.rate if ours else math.nan),
                ("yes" if one.keeps_up else "no") if load.rate else "",
                str(one.total(lambda drive: drive.failed)),
                f"{one.total(lambda drive: drive.wrong)} of {one.total(lambda drive: drive.checked):,}",
                f"{one.most(lambda drive: drive.client_busy):.0%}",
            )
        )
    columns = (
        "",
        "rows",
        "p50 ms",
        "p99 ms",
        "requests/s",
        "CPU ms",
        "p50 x ours",
        "rate x ours",
        "kept up",
        "failed",
        "wrong",
        "client",
    )
    return Sheet(f"{_TITLES[task]}, {load.title}", columns, lines, _note(load))


def _note(load: Load) -> str:
    shares = "CPU ms: of the server for each request. Client: share of its core that the client used."
    if not load.rate:
        return f"The next request follows the answer. {shares}"
    return f"Latency counts from when a request was due, also where those before it were not answered yet. {shares}"


def in_process_sheet(found: Sequence[Lookups]) -> Sheet:
    ours = {one.rows: one.p50 for one in found if one.name == "ours on LMDB"}
    lines = [
        (
            one.name,
            str(one.rows),
            f"{one.p50:.3f}",
            f"{one.p99:.3f}",
            _ratio(one.p50, ours.get(one.rows, math.nan)),
            f"{one.calls:,}",
        )
        for one in sorted(found, key=lambda one: one.rows)
    ]
    return Sheet("Lookup in the asking process", ("", "rows", "p50 ms", "p99 ms", "p50 x ours", "calls"), lines)


def servers_sheet(contest: Contest, taking_part: Sequence[Contestant], filled: dict[str, float]) -> Sheet:
    lines = [
        (one.name, f"{min(contest.ready[one.key]):.1f}", f"{contest.memory[one.key] / 2**20:,.0f}")
        for one in taking_part
        if one.key in contest.ready
    ]
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in filled.items())
    left_out = "".join(f" Left out: {key} ({why})." for key, why in contest.missing.items())
    return Sheet("Servers", ("", "ready after s", "MiB"), lines, f"Filling the stores took: {took}.{left_out}")


@dataclass(frozen=True, slots=True)
class Target:
    """What is held to: a figure that is at most, or at least, so much."""

    what: str
    measured: float
    bound: float
    is_most: bool
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bound if self.is_most else self.measured >= self.bound

    @property
    def line(self) -> tuple[str, ...]:
        words = "at most" if self.is_most else "at least"
        met = "" if math.isnan(self.measured) else "yes" if self.is_met else "no"
        measured = "not measured" if math.isnan(self.measured) else f"{self.measured:,.2f}{self.unit}"
        return (self.what, measured, f"{words} {self.bound:,.4g}{self.unit}", met)


def targets_sheet(contest: Contest, lookups: Sequence[Lookups]) -> Sheet:
    lines = [target.line for target in [*_targets(contest), *_published(contest, lookups)]]
    return Sheet("Targets, ours on LMDB with one worker", ("", "measured", "target", "met"), lines)


def _targets(contest: Contest) -> list[Target]:
    single, many = contest.find("ours", "predict", 1, _ONE), contest.find("ours", "predict", 1, _SIXTEEN)
    steady, floor = contest.find("ours", "predict", 1, STEADY), contest.find("trivial", "constant", 1, STEADY)
    hundred, lookup = contest.find("ours", "predict", 100, _ONE), contest.find("lookup", "lookup", 100, _ONE)
    feast = contest.find("feast", "lookup", 100, _ONE)
    mlflow = [contest.find(key, "predict", 1, _SIXTEEN) for key in ("mlflow", "mlflow_xgboost")]
    quickest = max((one.rate for one in mlflow if one), default=math.nan)
    apart = _p50(feast) / _p50(lookup)
    return [
        Target("p50 of one row at 1 connection", _p50(single), 1.0, is_most=True, unit=" ms"),
        Target("requests/s of one row at 16 connections", _rate(many), 1500, is_most=False),
        Target(f"p99 {STEADY.title} beside the trivial endpoint's", _p99(steady) / _p99(floor), 3.0, is_most=True, unit=" x"),
        Target("p50 of 100 rows at 1 connection", _p50(hundred), 5.0, is_most=True, unit=" ms"),
        Target("lookup of 100 rows: Feast's server on SQLite beside ours", apart, 20, is_most=False, unit=" x"),
        Target("requests/s at 16 connections beside mlflow models serve", _rate(many) / quickest, 10, is_most=False, unit=" x"),
    ]


def _published(contest: Contest, lookups: Sequence[Lookups]) -> list[Target]:
    """Ours beside figures that others published, of other machines."""
    within = {one.rows: one.p99 for one in lookups if one.name == "ours on LMDB"}
    found = []
    for rows, bound in PUBLISHED.items():
        served = contest.find("lookup", "lookup", rows, _ONE)
        what = f"lookup p99 of {rows} row{'s' if rows > 1 else ''}"
        found.append(Target(f"{what} by HTTP beside Hopsworks' published figure", _p99(served), bound, is_most=True, unit=" ms"))
        found.append(Target(f"{what} in process beside the same", within.get(rows, math.nan), bound, is_most=True, unit=" ms"))
    return found


def _p50(one: Measured | None) -> float:
    return one.p50 if one else math.nan


def _p99(one: Measured | None) -> float:
    return one.p99 if one else math.nan


def _rate(one: Measured | None) -> float:
    return one.rate if one else math.nan


def _ratio(value: float, ours: float) -> str:
    return "" if math.isnan(ours) or math.isnan(value) or not ours else f"{value / ours:.2f}"
