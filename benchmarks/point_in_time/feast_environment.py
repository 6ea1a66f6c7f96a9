"""Feast's own Python environment: its versions of DuckDB, pandas and pyarrow differ from ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements-feast.txt")


def feast_python(folder: Path, *, install: bool) -> Path | None:
    """The interpreter of the environment in `folder`, made with `install`; None where there is none."""
    python, installed, wanted = folder / "bin" / "python", folder / "installed.txt", REQUIREMENTS.read_text()
    if install and not (installed.exists() and installed.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)], check=True)
        installed.write_text(wanted)
    return python if python.exists() else None


def versions(python: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the packages that an interpreter has."""
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    return dict(json.loads(subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout))
