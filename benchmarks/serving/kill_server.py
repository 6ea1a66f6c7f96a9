"""The server is killed at random moments under load and started again: no torn log, and every answer was a right one."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.serving.contest import check
from benchmarks.serving.contracts import MODEL
from benchmarks.serving.driving import Load, Seen, driving
from benchmarks.serving.killed import Killed, say_killed
from benchmarks.serving.our_server import PREDICTION, start_ours
from benchmarks.serving.processes import Running, end, free_port
from benchmarks.serving.stores import Stores, fill

_RATE = 200.0
_PAUSES = (1.5, 4.0)
"""Seconds from the start of a server, ready, until it is killed: from, to."""
_LONGEST = 1800.0


@dataclass(slots=True)
class Log:
    """The segments of an inference log.

    Attributes:
        torn_closed: lines of closed segments that are no JSON, or no whole line.
        torn_open: the same of segments that were open when their server was killed: at most the last line of each.
        open_segments: of servers that are gone.
    """

    requests: set[str] = field(default_factory=set)
    lines: int = 0
    segments: int = 0
    open_segments: int = 0
    torn_closed: int = 0
    torn_open: int = 0


def kill_server(stores: Stores, kills: int, seed: int) -> Killed:
    """Under a steady load that goes on asking while the server is away."""
    fill(stores, {"ours"})
    moments, port, question = random.Random(seed), free_port(), PREDICTION
    bodies = [question.body(accounts) for accounts in stores.data.requests[1]]
    with TemporaryDirectory(prefix="kills-", dir=stores.folder) as folder:
        home = Path(folder)
        first = start_ours(stores, port, online=stores.lmdb, home=home)  # it fetches the champion; those after it find the copy
        servers = [first]
        try:
            with driving(port, question.path, bodies, Load(16, _RATE), seconds=_LONGEST, retries=True) as client:
                for number in range(kills):
                    time.sleep(moments.uniform(*_PAUSES))
                    servers[-1].kill()
                    servers.append(start_ours(stores, port, online=stores.lmdb, home=home))
                    say_killed("server", number + 1, kills, servers[-1])
                time.sleep(_PAUSES[0])  # it answers what is on its way
                seen = client.stop()
        finally:
            end(servers[-1].process)
        checked, wrong = check(stores.data, question, stores.data.requests[1], seen.kept)
        return _judged(servers, seen, read_log(home / "inference_log" / MODEL.name), checked, wrong)


def read_log(folder: Path) -> Log:
    """Every line of every segment; the servers have ended."""
    log = Log()
    for segment in sorted(folder.glob("*.ndjson*")):
        is_open = segment.suffix == ".part"
        log.segments += 1
        log.open_segments += is_open
        for line in segment.read_bytes().splitlines(keepends=True):
            try:
                log.requests.update(json.loads(line)["request_id"])
                torn = not line.endswith(b"\n")
            except (ValueError, KeyError, TypeError):
                torn = True
            log.lines += 1
            log.torn_open += torn and is_open
            log.torn_closed += torn and not is_open
    return log


def _judged(servers: Sequence[Running], seen: Seen, log: Log, checked: int, wrong: int) -> Killed:
    gaps = np.sort(np.diff(np.sort(seen.at)))[::-1][: len(servers) - 1]
    broken = []
    if log.torn_closed:
        broken.append(f"{log.torn_closed} torn lines in closed segments")
    if log.torn_open > log.open_segments:
        broken.append(f"{log.torn_open} torn lines in {log.open_segments} open segments")
    if wrong:
        broken.append(f"{wrong} wrong answers")
    if not log.requests:
        broken.append("nothing was logged")
    facts = {
        "requests answered, failed meanwhile": f"{seen.answers:,}, {seen.failed:,}",
        "failures, by kind": _kinds(seen),
        "longest times without an answer": ", ".join(f"{gap:.2f} s" for gap in gaps[:3]),
        "answers checked, wrong": f"{checked:,}, {wrong}",
        "segments of the inference log, left open": f"{log.segments}, {log.open_segments}",
        "lines, torn in closed segments, torn at the end of open ones": f"{log.lines:,}, {log.torn_closed}, {log.torn_open}",
        "answers that were not logged yet when the server was killed": f"{max(0, seen.answers - len(log.requests)):,}",
    }
    return Killed.of("the server", servers, facts, broken)


def _kinds(seen: Seen) -> str:
    found: Counter[str] = Counter()
    for kind, count in seen.kinds.items():
        found[_brief(kind)] += count
    return ", ".join(f"{count:,} {kind}" for kind, count in found.items()) or "none"


def _brief(failure: str) -> str:
    """The status of an answer, or the kind of an error."""
    return failure.partition("\r")[0][:40] if failure.startswith("HTTP") else failure.partition(":")[0]
