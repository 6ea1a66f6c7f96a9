"""Requests that schemathesis makes up from the OpenAPI description: no answer may be a 500."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.serving.contestants import contestants
from benchmarks.serving.our_server import OUR_READY
from benchmarks.serving.stores import Stores, fill
from benchmarks.sheets import Sheet

_ROUND = 300
"""Seconds of one round; each has another seed."""


@dataclass(frozen=True, slots=True)
class Round:
    """One run of schemathesis.

    Attributes:
        requests: that it made up.
        operations: of the description that it tried.
        failures: of different kinds: where, and what.
        server_lived: whether the server was still the same process afterwards, and ready.
    """

    seed: int
    seconds: float
    requests: int
    operations: int
    failures: list[str]
    server_lived: bool


def fuzz(stores: Stores, minutes: float, seed: int) -> list[Round]:
    """Rounds until the time is over, all on one server."""
    fill(stores, {"ours"})
    ours = next(one for one in contestants(stores.data, feast=False) if one.key == "ours")
    rounds: list[Round] = []
    until = time.monotonic() + minutes * 60
    with ours.serving(stores) as server:
        while (left := until - time.monotonic()) > 1 or not rounds:
            said = _run(server.port, min(left, _ROUND), seed + len(rounds))
            rounds.append(_round(said, lived=server.process.poll() is None and server.answers(OUR_READY)))
    return rounds


def _run(port: int, seconds: float, seed: int) -> Mapping[str, Any]:
    """What schemathesis reported."""
    with TemporaryDirectory(prefix="fti-fuzz-") as folder:
        report = Path(folder) / "report.json"
        bounded = ("--max-time", max(1, int(seconds)), "--request-timeout", 30, "--seed", seed)
        checked = ("--checks", "not_a_server_error", "--continue-on-failure", "--suppress-health-check", "all")
        written = ("--report", "json", "--report-json-path", report, "--no-color")
        command = [Path(sys.executable).with_name("schemathesis"), "run", f"http://127.0.0.1:{port}/openapi.json"]
        done = subprocess.run(
            [str(word) for word in (*command, *bounded, *checked, *written)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=seconds + 300,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"schemathesis failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return dict(json.loads(report.read_text()))


def _round(said: Mapping[str, Any], *, lived: bool) -> Round:
    failures = [json.dumps(one)[:300] for one in [*said["failures"], *said["errors"]]]
    return Round(
        seed=said["seed"],
        seconds=said["running_time"],
        requests=said["test_cases"]["generated"],
        operations=said["operations"]["tested"],
        failures=failures,
        server_lived=lived,
    )


def sheet(rounds: list[Round]) -> Sheet:
    lines = [
        (
            str(one.seed),
            f"{one.seconds:.0f}",
            f"{one.requests:,}",
            str(one.operations),
            str(len(one.failures)),
            "yes" if one.server_lived else "no",
        )
        for one in rounds
    ]
    columns = ("seed", "seconds", "requests made up", "operations", "answers 500 or errors", "server ready afterwards")
    return Sheet("Fuzzing with schemathesis", columns, lines, " ".join(one for found in rounds for one in found.failures))


def held(rounds: list[Round]) -> bool:
    return all(one.server_lived and not one.failures for one in rounds)


def as_json(rounds: list[Round]) -> list[dict[str, Any]]:
    return [asdict(one) for one in rounds]
