"""A folder in which two systems have run by the command itself: a small shop entirely, and the collection of flights."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

REPOSITORY = Path(__file__).parents[2]
FIRST, LAST = "2013-01-01", "2013-01-12"
VISITS = 1599
PREDICTED = 400
"""Those of the last ten days."""
SHOP = "".join(
    f"  - python_module: {{module_name: fti_assets_tests.cli.shop.{part}, location_name: shop_{part}}}\n"
    for part in ("collection", "features", "training", "inference")
)
DAGSTER = """
event_log_storage:
  module: fti_assets.pipelines.event_log
  class: BatchingSqliteEventLogStorage
  config:
    base_dir: data/dagster/events
telemetry:
  enabled: false
"""


def make_folder(folder: Path) -> Path:
    """An empty workplace: a workspace file with the flights and the shop, and a Dagster instance."""
    folder.mkdir(parents=True, exist_ok=True)
    flights = (REPOSITORY / "workspace.yaml").read_text(encoding="utf-8")
    (folder / "workspace.yaml").write_text(f"{flights.rstrip()}\n{SHOP}", encoding="utf-8")
    (folder / "dagster.yaml").write_text(DAGSTER, encoding="utf-8")
    return folder


def write_visits(file: Path) -> None:
    """Forty days of forty visits, one of them an hour short in March; who looks at more pages orders more often."""
    rng, start, rows = random.Random(1), datetime(2025, 2, 28, 23, tzinfo=UTC), []
    for n in range(VISITS):
        pages = rng.uniform(0, 3)
        rows.append([n, (start + timedelta(minutes=36 * n)).isoformat(), f"{pages:.3f}", rng.random() < pages / 4])
    rows[7][2] = "3.5"  # more than the contract expects, which is a warning
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([["visit_id", "visited_at", "pages", "ordered"], *rows])


def environment() -> dict[str, str]:
    """That of a user: nothing of these tests or of another Dagster in it."""
    ours = ("DAGSTER", "FTI", "MLFLOW", "PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "PYTHONPATH": str(REPOSITORY),
        "COLUMNS": "140",
    }


def fti_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `fti` as a program of its own in a folder."""
    command = [sys.executable, "-m", "fti_assets.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("fti"))
    write_visits(folder / "visits.csv")
    commands: Sequence[tuple[str, Sequence[str]]] = [
        ("shop.txt", ["run", "shop"]),
        ("flights.txt", ["run", "flights", "--first", FIRST, "--last", LAST, "--only", "collection"]),
    ]
    for file, arguments in commands:
        ended = fti_process(folder, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stderr == ""
        (folder / file).write_text(ended.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "empty")


@pytest.fixture
def fti(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in this process, in a folder, on the stores in `data` unless they are in the folder."""
    from fti_assets.cli.app import app

    def call(folder: Path, *arguments: str, data: Path | None = None) -> Result:
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("DAGSTER", "FTI", "MLFLOW"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("DAGSTER_HOME", "")  # so that what a command sets is undone after the test
        monkeypatch.setenv("COLUMNS", "140")
        if data is not None:
            monkeypatch.setenv("FTI_DATA_DIR", str(data))
        return CliRunner().invoke(app, list(arguments))

    return call
