"""The same backfill in any order, interrupted and repeated, leaves the same content."""

from __future__ import annotations

import random
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.outcome import Outcome, content_hash
from benchmarks.reliability.worker import DAYS, READINGS, day_key, rows
from fti_assets.feature_store import FeatureStore

DAY_COUNT, TRIALS = 30, 6


def experiments(folder: Path, chosen: Namespace) -> Iterator[Outcome]:
    order = random.Random(chosen.seed)
    hashes = {_backfilled(folder / "in_order", list(range(DAY_COUNT)))}
    for trial in range(TRIALS):
        days = list(range(DAY_COUNT))
        order.shuffle(days)
        done = days[: order.randrange(DAY_COUNT)]  # a first run that was interrupted
        hashes.add(_backfilled(folder / str(trial), [*done, *days, *order.sample(days, 5)]))
    yield Outcome(
        f"a backfill of {DAY_COUNT} days in {TRIALS} random orders, interrupted and repeated",
        f"{len(hashes)} content hash{'es' if len(hashes) > 1 else ''} in all",
        held=len(hashes) == 1,
    )


def _backfilled(root: Path, days: list[int]) -> str:
    store = FeatureStore(root)
    for number in days:
        store.publish(READINGS, rows(number, 0), DAYS.window(day_key(number)))
    return content_hash(store)
