"""What a rival is given: the folder of the case, where the result goes, and the variant. Needs the standard library only."""

from __future__ import annotations

import sys
from pathlib import Path


def arguments() -> tuple[Path, Path, str]:
    """Folder of the case, path of the result, and the variant ("" where there is none)."""
    return Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""


GROUPS = ("account", "device", "merchant")


def sorted_files(case: Path) -> list[Path]:
    return [case / "sorted" / f"{group}.parquet" for group in GROUPS]
