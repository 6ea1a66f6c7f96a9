"""A folder in which two systems have run by the command itself: a small shop entirely, and the collection of flights."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
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


COMMANDS = """
import json, os, sys
from fti_assets.cli import main

told, codes = sys.argv[1], []
for n, arguments in enumerate(json.loads(sys.argv[2])):
    for stream in (1, 2):
        os.dup2(os.open(f"{told}/{n}.{stream}", os.O_CREAT | os.O_WRONLY), stream)
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as ended:
        codes.append(ended.code)
    sys.stdout.flush()
    sys.stderr.flush()
with open(f"{told}/codes", "w") as file:
    json.dump(codes, file)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def fti_program(folder: Path, told: Path, *commands: list[str]) -> list[Ended]:
    """Runs commands of `fti` in a folder, by one program of their own, since to load it takes longer than most commands do.

    Args:
        folder: where they run.
        told: a folder for what they write.
        commands: the arguments of each.
    """
    command = [sys.executable, "-c", COMMANDS, str(told), json.dumps(commands)]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    codes = json.loads((told / "codes").read_text())
    written = [[(told / f"{n}.{stream}").read_text(encoding="utf-8") for stream in (1, 2)] for n in range(len(commands))]
    return [Ended(code or 0, out, err) for code, (out, err) in zip(codes, written, strict=True)]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, put_registry: Callable[[Path], object]) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("fti"))
    write_visits(folder / "visits.csv")
    put_registry(folder / "data")
    flights = ["run", "flights", "--first", FIRST, "--last", LAST, "--only", "collection"]
    done = fti_program(folder, tmp_path_factory.mktemp("told"), ["run", "shop"], flights)
    for file, ended in zip(("shop.txt", "flights.txt"), done, strict=True):
        assert ended.code == 0, ended.out + ended.err
        assert ended.err == ""
        (folder / file).write_text(ended.out, encoding="utf-8")
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
