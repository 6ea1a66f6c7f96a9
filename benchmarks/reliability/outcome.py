"""What an experiment found."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.worker import READINGS
from fti_assets.feature_store import FeatureStore

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the result: what was tried, what happened, and whether what is promised held."""

    what: str
    result: str
    held: bool | None


def start(*arguments: object) -> subprocess.Popen[str]:
    """Starts a worker in a session of its own; its lines are read from `stdout`."""
    command = [sys.executable, "-m", "benchmarks.reliability.worker", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)


def kill(process: subprocess.Popen[str]) -> None:
    """Ends a worker without warning."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def content_hash(store: FeatureStore) -> str:
    """Of all values that were published, whatever the files and the publication times."""
    columns = ", ".join(f'"{column.name}"' for column in READINGS.table.columns)
    with store.connect() as connection:
        rows = connection.execute(f"SELECT {columns} FROM {READINGS.table.sql} ORDER BY ALL").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()
