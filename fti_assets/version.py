"""Which code made something: the package's version and, in a checkout, its commit."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def code_version() -> str:
    """`0.1.0+gCOMMIT` in a git checkout (`.dirty` when changed), else the version of the package."""
    package = version("fti-assets")
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=.dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return package
    return f"{package}+g{found.stdout.strip()}"
