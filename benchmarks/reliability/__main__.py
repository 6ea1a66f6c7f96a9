"""`python -m benchmarks.reliability`: what the feature store does when processes collide, die, and disks fail.

Every experiment says how often it held. Figures go to the terminal and, with `--markdown FILE`, into a document.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.reliability import faults, kills, orders, writers
from benchmarks.reliability.outcome import Outcome

EXPERIMENTS: dict[str, Callable[[Path, argparse.Namespace], Iterator[Outcome]]] = {
    "writers": writers.experiments,
    "kills": kills.experiments,
    "orders": orders.experiments,
    "faults": faults.experiments,
}


_STYLES = {True: "green", None: "yellow", False: "bold red"}
_WORDS = {True: "yes", None: "not tried", False: "NO"}


def main() -> None:
    chosen = _parsed()
    console, found = Console(), []
    for name in chosen.only or EXPERIMENTS:
        folder = Path(tempfile.mkdtemp(prefix=f"fti-reliability-{name}-", dir=chosen.folder))
        try:
            for outcome in EXPERIMENTS[name](folder, chosen):
                console.print(f"{outcome.what}: {outcome.result}", style=_STYLES[outcome.held])
                found.append(outcome)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    console.print(_table(found))
    if chosen.markdown:
        chosen.markdown.write_text(_markdown(found), encoding="utf-8")
    raise SystemExit(1 if any(outcome.held is False for outcome in found) else 0)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), help="some of the experiments")
    parser.add_argument("--kills", type=int, default=50, help="how often a process is killed (50)")
    parser.add_argument("--writers", type=int, default=8, help="processes that publish at once (8)")
    parser.add_argument("--windows", type=int, default=50, help="windows that each of them publishes (50)")
    parser.add_argument("--catalog", help="catalogue of the writers' lake, `postgres:...`; SQLite unless given")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments at which processes are killed")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder unless given")
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    return parser.parse_args()


def _table(found: list[Outcome]) -> Table:
    table = Table("experiment", "result", "held", title="Reliability of the feature store")
    for outcome in found:
        table.add_row(outcome.what, outcome.result, _WORDS[outcome.held])
    return table


def _markdown(found: list[Outcome]) -> str:
    rows = [f"| {one.what} | {one.result} | {_WORDS[one.held]} |" for one in found]
    return "\n".join(["| experiment | result | held |", "| --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    main()
