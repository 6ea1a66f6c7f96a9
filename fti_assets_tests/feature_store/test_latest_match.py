"""The walk through rows that pass by answers as the search through the whole history does, or leaves the question open."""

import itertools

import numpy as np
import pytest

from fti_assets.feature_store.point_in_time.latest_match import (
    FOREVER,
    NO_TTL,
    NONE,
    OPEN,
    Candidates,
    Questions,
    Walk,
    newest_known,
)

ENTITIES = 4


class Generated:
    """Random rows of a group in order of time and questions about them, dense enough to meet every border."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows, replaced, asked = rng.integers(0, 30), rng.integers(0, 6), rng.integers(1, 20)
        self.codes = rng.integers(-1, ENTITIES, rows).astype(np.int32)
        self.times = np.sort(rng.integers(0, 8, rows))
        self.published = rng.integers(0, 6, rows)
        self.replaced_codes = rng.integers(0, ENTITIES, replaced).astype(np.int32)
        self.replaced_times = np.sort(rng.integers(0, 8, replaced))
        self.replaced_published = rng.integers(0, 6, replaced)
        self.superseded = self.replaced_published + rng.integers(1, 4, replaced)
        self.asked_codes = rng.integers(-1, ENTITIES, asked).astype(np.int32)
        self.asked_times = rng.integers(-1, 9, asked)
        self.known_at = rng.integers(0, 8, asked)
        self.ttl = int(rng.integers(0, 4)) if rng.random() < 0.5 else NO_TTL
        self.pieces = np.sort(rng.integers(0, rows + 1, rng.integers(0, 4)))

    def questions(self, *, known: bool) -> Questions:
        order = np.argsort(self.asked_times, kind="stable")
        return Questions(self.asked_codes, self.asked_times, order, self.known_at if known else None)

    def walked(self, *, known: bool, dated: bool) -> np.ndarray:
        replaced = (self.replaced_codes, self.replaced_times) if known else None
        walk = Walk(self.questions(known=known), ENTITIES, self.ttl, replaced, repeats=True)
        borders = [0, *self.pieces, len(self.codes)]
        for start, stop in itertools.pairwise(borders):
            piece = slice(start, stop)
            assert walk.pass_by(start, self.codes[piece], self.times[piece], self.published[piece] if dated else None)
        assert walk.passed.tolist() == [np.count_nonzero(self.codes == code) for code in range(ENTITIES)]
        return walk.found()

    def searched(self, *, known: bool, dated: bool) -> np.ndarray:
        stands = len(self.codes)
        published = self.published if dated else np.zeros(stands, np.int64)
        columns = [self.codes, self.times, published, np.full(stands, FOREVER)]
        if known:
            past = [self.replaced_codes, self.replaced_times, self.replaced_published, self.superseded]
            columns = [np.concatenate(both) for both in zip(columns, past, strict=True)]
        return newest_known(Candidates(*columns), self.questions(known=known), ENTITIES, self.ttl)


@pytest.mark.parametrize("dated", [False, True], ids=["by time", "by time and publication"])
def test_what_stands(dated: bool) -> None:
    for seed in range(3000):
        case = Generated(seed)
        assert case.walked(known=False, dated=dated).tolist() == case.searched(known=False, dated=dated).tolist(), seed


def test_what_was_known() -> None:
    open_questions = answered = 0
    for seed in range(6000):
        case = Generated(seed)
        walked, searched = case.walked(known=True, dated=True), case.searched(known=True, dated=True)
        closed = walked != OPEN
        assert walked[closed].tolist() == searched[closed].tolist(), seed
        open_questions += np.count_nonzero(~closed)
        answered += np.count_nonzero(walked >= 0)
    assert answered > open_questions > 0


def test_history_of_few_rows_is_known_without_a_second_search() -> None:
    walk = Walk(Questions(np.zeros(3, np.int32), np.array([9, 9, 9]), np.arange(3), np.array([7, 5, 3])), 1, NO_TTL)
    assert walk.pass_by(0, np.zeros(2, np.int32), np.array([1, 2]), np.array([4, 6]))
    assert walk.found().tolist() == [1, 0, OPEN]


@pytest.mark.parametrize("pieces", [[2], [1, 1]], ids=["within what passes by", "between two pieces"])
def test_rows_out_of_order_are_noticed(pieces: list[int]) -> None:
    walk = Walk(Questions(np.zeros(1, np.int32), np.array([9]), np.arange(1)), 1, NO_TTL)
    codes, times = np.zeros(2, np.int32), np.array([2, 1])
    borders = np.cumsum([0, *pieces])
    in_order = [walk.pass_by(a, codes[a:b], times[a:b]) for a, b in itertools.pairwise(borders)]
    assert not in_order[-1]


def test_questions_before_the_first_row_find_none() -> None:
    walk = Walk(Questions(np.zeros(2, np.int32), np.array([0, 1]), np.arange(2)), 1, NO_TTL)
    assert walk.pass_by(0, np.zeros(1, np.int32), np.array([1]))
    assert walk.found().tolist() == [NONE, 0]
