"""Ours, its rivals and the floor, asked in the same ways in turns, each answer checked: who is how quick."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.contestants import Contestant
from benchmarks.serving.data import Data
from benchmarks.serving.driving import Load, LoadError, drive
from benchmarks.serving.processes import NotReadyError, Running
from benchmarks.serving.questions import Question, Task
from benchmarks.serving.stores import Stores

STEADY = Load(connections=16, rate=500)
LOADS = (Load(1), Load(16), STEADY)
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Case:
    """One way of asking one server."""

    contestant: str
    task: Task
    rows: int
    load: Load


@dataclass(frozen=True, slots=True)
class Drive:
    """What one drive of one case showed, in milliseconds; `wrong` of the `checked` values.

    Attributes:
        cpu: that the server computed for each answer, whatever else runs on the machine.
    """

    p50: float
    p99: float
    rate: float
    answers: int
    failed: int
    unsent: int
    checked: int
    wrong: int
    client_busy: float
    cpu: float
    error: str = ""


@dataclass(frozen=True)
class Measured:
    """All drives of one case; figures are their medians."""

    case: Case
    drives: list[Drive]

    @property
    def p50(self) -> float:
        return self._median(lambda one: one.p50)

    @property
    def p99(self) -> float:
        return self._median(lambda one: one.p99)

    @property
    def rate(self) -> float:
        return self._median(lambda one: one.rate)

    @property
    def cpu(self) -> float:
        return self._median(lambda one: one.cpu)

    @property
    def keeps_up(self) -> bool:
        """Whether the requests that were due were answered."""
        return not self.case.load.rate or self.rate > 0.98 * self.case.load.rate

    def total(self, of: Callable[[Drive], int]) -> int:
        return sum(map(of, self.drives))

    def most(self, of: Callable[[Drive], float]) -> float:
        return max(map(of, self.drives), default=math.nan)

    def _median(self, of: Callable[[Drive], float]) -> float:
        return statistics.median(map(of, self.drives)) if self.drives else math.nan


@dataclass(frozen=True, slots=True)
class Contest:
    """What was measured, the state of each server, and who could not take part, with the reason.

    Attributes:
        memory: bytes that a server had after its last turn.
        ready: seconds from its start to its first good answer, of each turn.
    """

    measured: dict[Case, Measured]
    memory: dict[str, int]
    ready: dict[str, list[float]]
    missing: dict[str, str]

    def find(self, contestant: str, task: Task, rows: int, load: Load) -> Measured | None:
        return self.measured.get(Case(contestant, task, rows, load))


def compete(stores: Stores, taking_part: Sequence[Contestant], *, repeats: int, seconds: float) -> Contest:
    """Each server in turns, alone on its core; an answer of each case is asked for and not counted before it is measured."""
    contest = Contest({}, {}, {}, {})
    for number in range(repeats):
        turn = number % len(taking_part)
        for contestant in [*taking_part[turn:], *taking_part[:turn]]:
            if contestant.key not in contest.missing:
                _turn(contest, contestant, stores, seconds)
    return contest


def _turn(contest: Contest, contestant: Contestant, stores: Stores, seconds: float) -> None:
    try:
        with contestant.serving(stores) as server:
            server.settle()
            question = contestant.question
            for rows, load in _ways(question):
                case = Case(contestant.key, question.task, rows, load)
                found = _drive(stores.data, question, case, server, seconds)
                contest.measured.setdefault(case, Measured(case, [])).drives.append(found)
                _say(contestant, case, found)
            contest.memory[contestant.key] = server.memory
            contest.ready.setdefault(contestant.key, []).append(server.ready_seconds)
    except (NotReadyError, LoadError) as error:
        print(f"  {contestant.name} is left out: {error}", file=sys.stderr, flush=True)
        contest.missing[contestant.key] = str(error).strip().splitlines()[-1]


def _ways(question: Question) -> Iterable[tuple[int, Load]]:
    """One row at every load, hundreds of them at one connection."""
    return ((rows, load) for rows in question.rows for load in LOADS if rows == 1 or load == LOADS[0] or _can_bear(rows, load))


def _can_bear(rows: int, load: Load) -> bool:
    """Whether the slowest of the servers can be asked so in a reasonable time."""
    return not load.rate and rows <= 100


def _drive(data: Data, question: Question, case: Case, server: Running, seconds: float) -> Drive:
    requests = data.requests[case.rows]
    bodies = [question.body(accounts) for accounts in requests]
    warmed = drive(server.port, question.path, bodies, Load(case.load.connections), seconds=max(0.5, seconds / 5))
    if not warmed.answers:
        raise LoadError(f"{question.path} gave no good answer: {warmed.errors[:1]}")
    # The tail of a fixed rate needs as many answers as the others get in their time.
    cpu = server.cpu_seconds
    seen = drive(server.port, question.path, bodies, case.load, seconds=seconds * (2 if case.load.rate else 1))
    checked, wrong = check(data, question, requests, seen.kept)
    return Drive(
        p50=seen.percentile(50),
        p99=seen.percentile(99),
        rate=seen.rate,
        answers=seen.answers,
        failed=seen.failed,
        unsent=seen.unsent,
        checked=checked,
        wrong=wrong,
        client_busy=seen.client_busy,
        cpu=(server.cpu_seconds - cpu) / max(1, seen.answers) * 1000,
        error=seen.errors[0][1] if seen.errors else "",
    )


def check(data: Data, question: Question, requests: Sequence[Sequence[int]], kept: Iterable[tuple[int, str]]) -> tuple[int, int]:
    """How many values of kept answers were compared with the right ones, and how many differ."""
    checked = wrong = 0
    for number, body in kept:
        right = [_right(data, question.task, account) for account in requests[number]]
        checked += len(right)
        wrong += count_wrong(question, body, right)
    return checked, wrong


def count_wrong(question: Question, body: str, right: Sequence[Any]) -> int:
    """How many of the right values an answer does not give, each in its place."""
    try:
        values = question.values(json.loads(body))
    except (ValueError, KeyError, TypeError):
        return len(right)
    return len(right) - sum(_is_same(found, one) for found, one in zip(values, right, strict=False))


def _right(data: Data, task: Task, account: int) -> Any:
    if task == "constant":
        return 0.5
    if task == "predict":
        return float(data.expected[0, account])
    return {name: values[account] for name, values in data.features.items()}


def _is_same(found: Any, right: Any) -> bool:
    if isinstance(right, dict):
        return found.keys() == right.keys() and all(_is_same(found[name], value) for name, value in right.items())
    if isinstance(right, float) and isinstance(found, float | int):
        return abs(found - right) <= _CLOSE
    return bool(found == right)


def _say(contestant: Contestant, case: Case, found: Drive) -> None:
    what = f"{contestant.name}: {case.task}, {case.rows} rows, {case.load.title}"
    figures = f"p50 {found.p50:.2f} ms, p99 {found.p99:.2f} ms, {found.rate:,.0f}/s, {found.cpu:.3f} ms CPU"
    print(f"  {what}: {figures}, {found.failed} failed, {found.wrong} wrong", file=sys.stderr, flush=True)
