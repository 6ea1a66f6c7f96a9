"""`kill -9` of the server and of the stream under load: how soon they are back, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.serving.kill_server import kill_server
from benchmarks.serving.killed import MOST_SECONDS, Killed
from benchmarks.serving.stores import Stores
from benchmarks.sheets import Sheet


def kill(stores: Stores, kills: int, seed: int) -> list[Killed]:
    """Each of them so many times; the seed chooses the moments."""
    return [kill_server(stores, kills, seed)]


def sheet(found: Sequence[Killed]) -> Sheet:
    lines = []
    for one in found:
        ready = sorted(one.ready_seconds)
        middle = f"{ready[len(ready) // 2]:.2f} s, at most {ready[-1]:.2f} s (target {MOST_SECONDS:g} s)" if ready else "never"
        lines += [
            (f"{one.what}: killed", f"{len(ready)} times"),
            (f"{one.what}: ready again after", middle),
            *((f"{one.what}: {name}", said) for name, said in one.facts.items()),
            (f"{one.what}: held", "yes" if one.held else f"NO: {'; '.join(one.broken) or 'not ready in time'}"),
        ]
    return Sheet("`kill -9` under load", ("", ""), lines)
