"""The search for the newest visible row of an entity, compiled by numba; the first call of a process loads the compiled code.

`Walk` answers nearly every question while the rows of a group pass by once, in order of time, and keeps two rows of each entity.
`newest_known` answers the rest, and every question where the rows are in no order: it holds the whole history of the entities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

Integers = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]
NO_TTL = -1
FOREVER = np.iinfo(np.int64).max
"""When a row is superseded that still stands."""
NONE, OPEN = -1, -2
"""In place of a row: there is none; and: it takes the entity's history to say."""
_NEVER = np.iinfo(np.int64).min
_NOTHING = np.empty(0, np.int64)

_Passing = tuple[int, Codes, Integers, Integers]  # position of the first, entities, event times, publication times or nothing
_Newest = tuple[Integers, Integers, Integers]  # rows, event times, publication times; the newest of each entity, and the one before
_Replaced = tuple[Codes, Integers, Integers, np.int64]
# entities, event times; of each entity the last such time that was passed; and by how much it has to be later than a row
_Asked = tuple[Codes, Integers, Integers, Integers, np.int64]  # entities, times, known_at or nothing, order, ttl


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of a group that may be matched. All arrays have one value for each of them.

    Attributes:
        codes: number of the entity; -1 where no row of the spine is about it.
        times: event time, microseconds.
        published: publication time, microseconds.
        superseded: when another publication took its place, `FOREVER` where none did.
    """

    codes: Codes
    times: Integers
    published: Integers
    superseded: Integers


@dataclass(frozen=True, slots=True)
class Questions:
    """Rows of a spine. All arrays have one value for each of them.

    Attributes:
        codes: number of the entity; -1 where a key is null, or the time.
        times: only rows with an event time at or before it are visible, microseconds.
        order: positions of the rows in order of time.
        known_at: only rows published by then, and not superseded by then, are visible, microseconds; None asks for what stands.
    """

    codes: Codes
    times: Integers
    order: Integers
    known_at: Integers | None = None


class Walk:
    """For each question the newest visible row of its entity, found while the rows of a group pass by in order of time.

    Among rows of one event time the latest published is the newest. With a ttl, a newest row older than it is no answer.

    Attributes:
        passed: how many rows of each entity passed by.

    Args:
        questions: codes are below `entities`.
        entities: how many there are.
        ttl: microseconds, or `NO_TTL`.
        replaced: numbers of entities, and event times in order, of rows that no longer stand; a question that might be about
            one of them stays open. Needed with `known_at` only.
        repeats: whether an entity may have several rows of one event time.
    """

    def __init__(
        self,
        questions: Questions,
        entities: int,
        ttl: int,
        replaced: tuple[Codes, Integers] | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self.passed = np.zeros(entities, np.int64)
        codes, times = replaced if replaced is not None else (np.empty(0, np.int32), _NOTHING)
        known = _NOTHING if questions.known_at is None else questions.known_at
        self._questions = (questions.codes, questions.times, known, questions.order, np.int64(ttl))
        # What stands replaced what once had its event time, unless there may be another row of that time.
        self._replaced = (codes, times, np.full(entities if len(times) else 0, _NEVER), np.int64(0 if repeats else 1))
        self._newest = tuple(np.full((2, entities), NONE, np.int64) for _ in range(3))
        self._found = np.full(len(questions.codes), NONE, np.int64)
        self._place = np.array([0, _NEVER, 0])

    def pass_by(self, start: int, codes: Codes, times: Integers, published: Integers | None = None) -> bool:
        """Takes the next rows; the first has the position `start`. Publication times are needed where they decide anything.

        Returns:
            Whether the rows were in order; if not the walk is of no use.
        """
        dated = _NOTHING if published is None else published
        rows = (start, codes, times, dated)
        return bool(_pass_by(rows, self._newest, self.passed, self._replaced, self._questions, self._found, self._place))

    def found(self) -> Integers:
        """For each question the position of its row, or `NONE`, or `OPEN`; when all rows have passed."""
        _finish(self._newest, self._replaced, self._questions, self._found, self._place)
        return self._found


def newest_known(candidates: Candidates, questions: Questions, entities: int, ttl: int) -> Integers:
    """The same as a `Walk`, for candidates in any order and with no question left open; positions are those among them."""
    order = np.lexsort((candidates.published, candidates.times))
    known = np.full(len(questions.codes), FOREVER - 1) if questions.known_at is None else questions.known_at
    rows = (candidates.codes, candidates.times, candidates.published, candidates.superseded)
    asked = (questions.codes, questions.times, known, questions.order, np.int64(ttl))
    found: Integers = _newest_known(rows, order, asked, entities)
    return found


def load() -> None:
    """Loads the compiled code, or compiles it where that was never done."""
    codes, times = np.zeros(1, np.int32), np.zeros(1, np.int64)
    times.flags.writeable = False  # as those that polars hands over, for which the code is another
    walk = Walk(Questions(codes, times, times), 1, NO_TTL)
    walk.pass_by(0, codes, times)
    compacted(walk.found(), 1)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _answer(question: int, newest: _Newest, replaced: _Replaced, asked: _Asked, place: Integers) -> int:
    """The answer as far as the rows that have passed by tell it. Compiled into its callers."""
    rows, times, published = newest
    replaced_codes, replaced_times, last_replaced, later = replaced
    codes, asked_times, known_at, _, ttl = asked
    code, at = codes[question], asked_times[question]
    if code < 0:
        return NONE
    while place[2] < len(replaced_times) and replaced_times[place[2]] <= at:
        last_replaced[replaced_codes[place[2]]] = replaced_times[place[2]]
        place[2] += 1
    for depth in range(2):
        row = rows[depth, code]
        if len(last_replaced) > 0 and last_replaced[code] >= (times[depth, code] + later if row >= 0 else _NEVER + 1):
            return OPEN
        # The ttl is applied after the match: if the newest value has expired, so has every older one.
        if row < 0 or (ttl >= 0 and times[depth, code] < at - ttl):
            return NONE
        if len(known_at) == 0 or published[depth, code] <= known_at[question]:
            return int(row)
    return OPEN


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _pass_by(  # noqa: C901 - one loop, compiled
    passing: _Passing, newest: _Newest, passed: Integers, replaced: _Replaced, asked: _Asked, found: Integers, place: Integers
) -> bool:
    start, row_codes, row_times, row_published = passing
    rows, times, published = newest
    asked_times, order = asked[1], asked[3]
    dated, keeps_two = len(row_published) > 0, len(asked[2]) > 0
    question, previous = place[0], place[1]
    for n in range(len(row_codes)):
        at = row_times[n]
        if at < previous:
            return False
        previous = at
        while question < len(order) and asked_times[order[question]] < at:
            found[order[question]] = _answer(order[question], newest, replaced, asked, place)
            question += 1
        code = row_codes[n]
        if code < 0:
            continue
        passed[code] += 1
        depth = 0
        if dated and rows[0, code] >= 0 and times[0, code] == at and published[0, code] > row_published[n]:
            if not keeps_two or (rows[1, code] >= 0 and times[1, code] == at and published[1, code] > row_published[n]):
                continue
            depth = 1
        elif keeps_two:
            rows[1, code], times[1, code], published[1, code] = rows[0, code], times[0, code], published[0, code]
        rows[depth, code], times[depth, code] = start + n, at
        if dated:
            published[depth, code] = row_published[n]
    place[0], place[1] = question, previous
    return True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _finish(newest: _Newest, replaced: _Replaced, asked: _Asked, found: Integers, place: Integers) -> None:
    order = asked[3]
    for n in range(place[0], len(order)):
        found[order[n]] = _answer(order[n], newest, replaced, asked, place)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _newest_known(  # noqa: C901 - one loop, compiled
    candidates: tuple[Codes, Integers, Integers, Integers], order: Integers, asked: _Asked, entities: int
) -> Integers:
    codes, times, published, superseded = candidates
    asked_codes, asked_times, known_at, asked_order, ttl = asked
    found = np.full(len(asked_codes), NONE, np.int64)
    last = np.full(entities, NONE, np.int64)
    before = np.empty(len(codes), np.int64)  # the row of the same entity that stands before in time
    first_known = np.empty(len(codes), np.int64)  # when the first of a row and all before it became known
    n, rows = 0, len(codes)
    for question in asked_order:
        code, at, known = asked_codes[question], asked_times[question], known_at[question]
        if code < 0:
            continue
        while n < rows:
            row = order[n]
            if times[row] > at:
                break
            own = codes[row]
            if own >= 0:
                before[row] = last[own]
                first_known[row] = published[row] if last[own] < 0 else min(published[row], first_known[last[own]])
                last[own] = row
            n += 1
        row = last[code]
        while row >= 0:
            if first_known[row] > known or (ttl >= 0 and times[row] < at - ttl):
                break
            if published[row] <= known < superseded[row]:
                found[question] = row
                break
            row = before[row]
    return found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def compacted(found: Integers, rows: int) -> tuple[Integers, Integers]:
    """The different positions in `found`, in order, and the place of each value of `found` among them; -1 stays -1.

    Positions are below `rows`.
    """
    places = np.full(rows, -1, np.int32)
    for row in found:
        if row >= 0:
            places[row] = 0
    wanted = np.empty(min(rows, len(found)), np.int64)
    n = 0
    for row in range(rows):
        if places[row] == 0:
            wanted[n] = row
            places[row] = n
            n += 1
    positions = np.full(len(found), -1, np.int64)
    for row in range(len(found)):
        if found[row] >= 0:
            positions[row] = places[found[row]]
    return wanted[:n], positions
