"""The flights system against its targets, in a folder of its own: `python benchmarks/flights.py`.

The rival of the backfill is the plain SQL of the feature pipelines into a DuckDB file, without validation, versions or events:
what is left is the price of write, audit, publish and of 365 partitions in the UI.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table as Shown

ROOT = Path(__file__).parents[1]
LOCATIONS = ("data_collection", "features", "training", "inference", "online_inference")
YEAR = {"first": "2013-01-01", "last": "2013-12-31"}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fti-benchmark-") as name:
        home = Path(name)
        shutil.copy(ROOT / "dagster.yaml", home)
        shutil.copy(ROOT / "workspace.yaml", home)
        os.chdir(home)
        os.environ |= {"DAGSTER_HOME": name, "FTI_DATA_DIR": str(home / "data")}
        loads = {location: load_seconds(location) for location in LOCATIONS}
        job, backfill, one_day = run_all(home)
        sql = plain_sql(home)
    show(loads, job, backfill, one_day, sql)


def load_seconds(location: str, runs: int = 3) -> float:
    """Median seconds that a fresh interpreter needs to import a code location."""
    command = [sys.executable, "-c", f"import fti_assets.locations.{location}"]
    return statistics.median(timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(runs))


def run_all(home: Path) -> tuple[float, float, float]:
    """Seconds of the main job, of its backfill of all feature groups, and of one more day."""
    started = time.perf_counter()
    import dagster as dg

    from fti_assets.collection import LandingZone
    from fti_assets.pipelines.running import workspace_jobs
    from fti_assets.systems.flights.delivery import deliver

    deliver(LandingZone(home / "data" / "landing"))
    jobs, instance = workspace_jobs(home / "workspace.yaml"), dg.DagsterInstance.get()
    for name, days in (("flights_collection_whole", {}), ("flights_collection", YEAR)):
        jobs[name].run(instance, **days)
    backfill = timed(lambda: [jobs["flights_features_whole"].run(instance), jobs["flights_features"].run(instance, **YEAR)])
    jobs["flights_training"].run(instance)
    jobs["flights_inference"].run(instance, first="2013-11-01", last="2013-12-31")
    whole = time.perf_counter() - started
    day = timed(
        lambda: [jobs[f"flights_{stage}"].run(instance, first="2013-12-10") for stage in ("collection", "features", "inference")]
    )
    return whole, backfill, day


def plain_sql(home: Path) -> float:
    """Seconds of the same SELECTs over the whole year, written into one DuckDB file."""
    from fti_assets.feature_store import FeatureStore, instant_literal
    from fti_assets.systems.flights import features
    from fti_assets.systems.flights.staged import DAYS

    span = DAYS.span()
    queries = [value for name, value in vars(features).items() if name.endswith("_SQL")]
    with FeatureStore(home / "data").connect() as connection:
        connection.execute(f"ATTACH '{home / 'plain.duckdb'}' AS plain")
        connection.execute("CREATE TEMP VIEW flights AS FROM lake.staging.flights")

        def write() -> None:
            for n, query in enumerate(queries):
                bound = query.replace("$window_start", instant_literal(span.start)).replace(
                    "$window_end", instant_literal(span.end)
                )
                connection.execute(f"CREATE TABLE plain.t{n} AS {bound}")

        return timed(write)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def show(loads: dict[str, float], job: float, backfill: float, one_day: float, sql: float) -> None:
    table = Shown("what", "measured", "target")
    table.add_row("main job: landing 365 days to monitoring", f"{job:.1f} s", "90 s")
    table.add_row("backfill of all feature groups, 365 days", f"{backfill:.1f} s", "20 s")
    table.add_row("  the plain SQL of the same, for comparison", f"{sql:.1f} s ({backfill / sql:.1f} x)", "")
    table.add_row("one more day, landing file to prediction", f"{one_day:.1f} s", "10 s")
    for location, seconds in loads.items():
        table.add_row(f"loading code location {location}", f"{seconds:.1f} s", "4 s")
    table.add_row("peak memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB", "3 GiB")
    Console().print(table)


if __name__ == "__main__":
    main()
