"""The search for the newest visible row: one walk through the rows of a group and those of a spine, both in order of time.

The walk keeps the last row seen of each entity, so that it takes one step for each row of the group and one for each of the
spine, whatever the distribution of the keys. Compiled by numba; the first call of a process loads the compiled code.
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


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of a group that may be matched. All arrays have one value for each of them.

    Attributes:
        codes: number of the entity; -1 where no row of the spine is about it.
        times: event time, microseconds.
        published: publication time, microseconds; None where it decides nothing.
        superseded: when another publication took its place, `FOREVER` where none did; given with `published`.
    """

    codes: Codes
    times: Integers
    published: Integers | None = None
    superseded: Integers | None = None

    def __len__(self) -> int:
        return len(self.codes)


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


def latest(candidates: Candidates, questions: Questions, entities: int, ttl: int) -> Integers:
    """For each question the position of the newest visible candidate of its entity, or -1.

    Among rows of one event time the latest published is the newest. With a ttl, a newest row older than it is no answer.

    Codes are below `entities`; the ttl is in microseconds, or `NO_TTL`.
    """
    order = _order(candidates)
    found: Integers
    if questions.known_at is None:
        found = _latest(candidates.codes, candidates.times, order, questions.codes, questions.times, questions.order, entities, ttl)
        return found
    assert candidates.published is not None  # read when a question asks for it
    assert candidates.superseded is not None
    found = _latest_known(
        candidates.codes,
        candidates.times,
        candidates.published,
        candidates.superseded,
        order,
        questions.codes,
        questions.times,
        questions.known_at,
        questions.order,
        entities,
        ttl,
    )
    return found


def _order(candidates: Candidates) -> Integers:
    """Positions of the candidates in order of event time and publication; empty where they stand in it already."""
    published = candidates.published if candidates.published is not None else np.empty(0, np.int64)
    if _in_order(candidates.times, published):
        return np.empty(0, np.int64)
    by = candidates.times if candidates.published is None else (candidates.published, candidates.times)
    return np.argsort(by, kind="stable") if candidates.published is None else np.lexsort(by)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _in_order(times: Integers, published: Integers) -> bool:
    for n in range(1, len(times)):
        if times[n] < times[n - 1]:
            return False
        if len(published) and times[n] == times[n - 1] and published[n] < published[n - 1]:
            return False
    return True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _latest(
    codes: Codes,
    times: Integers,
    order: Integers,
    asked_codes: Codes,
    asked_times: Integers,
    asked_order: Integers,
    entities: int,
    ttl: int,
) -> Integers:
    found = np.full(len(asked_codes), -1, np.int64)
    last = np.full(entities, -1, np.int64)
    sorted_already = len(order) == 0
    n, rows = 0, len(codes)
    for question in asked_order:
        code, at = asked_codes[question], asked_times[question]
        if code < 0:
            continue
        while n < rows:
            row = n if sorted_already else order[n]
            if times[row] > at:
                break
            if codes[row] >= 0:
                last[codes[row]] = row
            n += 1
        row = last[code]
        # The ttl is applied after the match: if the newest value has expired, so has every older one.
        if row >= 0 and (ttl < 0 or times[row] >= at - ttl):
            found[question] = row
    return found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _latest_known(  # noqa: C901 - one loop, compiled
    codes: Codes,
    times: Integers,
    published: Integers,
    superseded: Integers,
    order: Integers,
    asked_codes: Codes,
    asked_times: Integers,
    known_at: Integers,
    asked_order: Integers,
    entities: int,
    ttl: int,
) -> Integers:
    found = np.full(len(asked_codes), -1, np.int64)
    last = np.full(entities, -1, np.int64)
    before = np.empty(len(codes), np.int64)  # the row of the same entity that stands before in time
    first_known = np.empty(len(codes), np.int64)  # when the first of a row and all before it became known
    sorted_already = len(order) == 0
    n, rows = 0, len(codes)
    for question in asked_order:
        code, at, known = asked_codes[question], asked_times[question], known_at[question]
        if code < 0:
            continue
        while n < rows:
            row = n if sorted_already else order[n]
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
