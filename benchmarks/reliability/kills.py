"""Processes are killed at random moments of publishing, compaction and expiry."""

from __future__ import annotations

import math
import random
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.outcome import Outcome, content_hash, kill, start
from benchmarks.reliability.worker import DAYS, READINGS, ROWS, day_key, rows
from fti_assets.feature_store import FeatureStore, verify

DAY_COUNT = 20
SHARES = {"publish": 0.5, "compact": 0.25, "expire": 0.25}


def experiments(folder: Path, chosen: Namespace) -> Iterator[Outcome]:
    moments = random.Random(chosen.seed)
    for kind, share in SHARES.items():
        times = math.ceil(chosen.kills * share)
        yield _killed(folder / kind, kind, times, moments, chosen.seed)


def _killed(root: Path, kind: str, times: int, moments: random.Random, seed: int) -> Outcome:
    store = FeatureStore(root)
    reference = _reset(store)
    wrong, other_hash, unsound = [], 0, 0
    for number in range(times):
        worker = start("churn", root, kind)
        assert worker.stdout is not None
        worker.stdout.readline()  # it is at work from here on
        time.sleep(moments.uniform(0, 1.5))
        kill(worker)
        wrong += [f"after kill {number}: {what}" for what in _mixtures(store)]
        unsound += not verify(store.lake).is_sound
        other_hash += _reset(store) != reference
    result = f"{times} kills (seed {seed}): {len(wrong)} mixtures, {unsound} lakes unsound by verify, {other_hash} other hashes"
    return Outcome(
        f"`kill -9` at random moments of {kind}, then the same days published again",
        "; ".join([result, *wrong[:3]]),
        held=not wrong and not unsound and not other_hash,
    )


def _reset(store: FeatureStore) -> str:
    """Publishes every day in its first state, as a rerun would, and returns the hash of the content."""
    for number in range(DAY_COUNT):
        store.publish(READINGS, rows(number, 0), DAYS.window(day_key(number)))
    return content_hash(store)


def _mixtures(store: FeatureStore) -> list[str]:
    """Days that are neither the rows of one state nor those of another."""
    found = []
    with store.connect() as connection:
        for number in range(DAY_COUNT):
            held = store.read(connection, READINGS.table, DAYS.window(day_key(number))).order("sensor").to_arrow_table()
            known = set(held["state"].to_pylist())
            if held.num_rows != ROWS or len(known) != 1 or not held.equals(rows(number, known.pop()).select(held.column_names)):
                found.append(f"day {number} has {held.num_rows} rows of states {known}")
    return found
