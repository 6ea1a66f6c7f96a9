"""Many processes publish into one table while others read it."""

from __future__ import annotations

import json
import statistics
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.outcome import Outcome, start
from benchmarks.reliability.worker import READINGS, ROWS
from fti_assets.feature_store import FeatureStore

READERS = 4
LONGEST = 900


def experiments(folder: Path, chosen: Namespace) -> Iterator[Outcome]:
    wanted = chosen.writers * chosen.windows
    readers = [start("count", folder, LONGEST) for _ in range(READERS)]
    began = time.monotonic()
    writers = [start("publish", folder, n * chosen.windows, chosen.windows) for n in range(chosen.writers)]
    published = [json.loads(line) for writer in writers for line in writer.communicate()[0].splitlines()]
    seconds = time.monotonic() - began
    (folder / "writers_done").touch()
    seen = [json.loads(reader.communicate()[0]) for reader in readers]
    store = FeatureStore(folder)
    with store.connect() as connection:
        by_day = connection.execute(f"SELECT count(*) FROM {READINGS.table.sql} GROUP BY date_trunc('day', \"at\")").fetchall()
    wrong = sum(rows != ROWS for (rows,) in by_day) + abs(wanted - len(by_day))
    waited = [one["seconds"] for one in published]
    yield Outcome(
        f"{chosen.writers} processes publish {chosen.windows} windows each into one table",
        f"{len(published)} of {wanted} published in {seconds:.0f} s (median {statistics.median(waited):.2f} s, longest"
        f" {max(waited):.1f} s, waiting included); {wrong} windows with lost or doubled rows",
        held=len(published) == wanted and wrong == 0,
    )
    torn, counts = sum(one["torn"] for one in seen), sum(one["counts"] for one in seen)
    yield Outcome(
        f"{READERS} processes count the rows of each window meanwhile",
        f"{counts:,} counts, {torn} torn; the longest took {max(one['slowest'] for one in seen):.1f} s",
        held=torn == 0 and counts > 0,
    )
