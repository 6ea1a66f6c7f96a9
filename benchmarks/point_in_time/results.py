"""What was measured, kept in one file: each experiment replaces what it measured before, so that parts may be run on their own."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.sheets import Sheet, markdown

HEADING = """# Speed of the feature store

Written by `python -m benchmarks.point_in_time --markdown FILE`; do not edit. Each table was measured in one run on one machine,
its jobs in turns; figures are medians. Each job has a process of its own, and the files it reads are in the page cache.
`seconds` is from the first byte read until the result is on disk, the first time in a process; `again s` is the second time, when
libraries have loaded what they load at first use; `process s` is the first with the start of Python and all imports.
Peak memory counts mapped pages of files. See `benchmarks/README.md` for what is compared."""


class Results:
    """The experiments that were measured, by name, in a JSON file."""

    def __init__(self, path: Path, heading: str = HEADING) -> None:
        self.path = path
        self._heading = heading
        self._experiments: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name: str, sheets: Sequence[Sheet], figures: object, *, versions: dict[str, str]) -> None:
        """Keeps an experiment with the state of the machine, and writes the file."""
        found = {"machine": _machine(), "versions": versions, "sheets": [asdict(one) for one in sheets], "figures": figures}
        self._experiments[name] = _finite(found)
        text = json.dumps(dict(sorted(self._experiments.items())), indent=1, default=str, allow_nan=False)
        self.path.write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """All experiments as a document."""
        parts = []
        for _, experiment in sorted(self._experiments.items()):
            machine = experiment["machine"]
            sheets = [Sheet(**sheet) for sheet in experiment["sheets"]]
            versions = ", ".join(f"{name} {version}" for name, version in experiment["versions"].items())
            where = f"{machine['cpus']} CPUs, {machine['memory_gib']} GiB, load {machine['load'][0]:.1f}"
            at = f"Measured {machine['at'][:10]} on {where}; Python {machine['python']}, {versions}."
            parts.append(f"{markdown(sheets)}\n{at}\n")
        return "\n".join([f"{self._heading}\n", *parts])


def _machine() -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _finite(value: Any) -> Any:
    """The same with None in place of what is not a number."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
