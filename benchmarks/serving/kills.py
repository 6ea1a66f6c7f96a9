"""`kill -9` of the server and of the stream under load: how soon they are back, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.serving.kill_server import kill_server
from benchmarks.serving.kill_stream import kill_stream
from benchmarks.serving.killed import MOST_SECONDS, Killed
from benchmarks.serving.stores import Stores
from benchmarks.sheets import Sheet


def kill(stores: Stores, kills: int, seed: int) -> list[Killed]:
    """Each of them so many times; the seed chooses the moments."""
    return [kill_server(stores, kills, seed), kill_stream(stores, kills, seed)]


def sheet(found: Sequence[Killed]) -> Sheet:
    lines = []
    for one in found:
        ready = sorted(one.ready_seconds)
        soon = f"{ready[len(ready) // 2]:.2f} s, at most {ready[-1]:.2f} s (target {MOST_SECONDS:g} s)" if ready else "never"
        cpu = f"; at most {max(one.ready_cpu):.2f} s of CPU" if one.ready_cpu else ""
        lines += [
            (f"{one.what}: killed", f"{len(ready)} times"),
            (f"{one.what}: ready again after", f"{soon}{cpu}"),
            *((f"{one.what}: {name}", said) for name, said in one.facts.items()),
            (f"{one.what}: held", "yes" if one.held else f"NO: {'; '.join(one.broken) or 'not ready in time'}"),
        ]
    return Sheet("`kill -9` under load", ("", ""), lines)
