"""What is installed where a model is trained: the packages by name and version."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import distributions


@cache
def environment() -> str:
    """The installed packages as lines `name==version`, sorted; of two of one name, the one that is imported."""
    found: dict[str, str] = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), one.version)
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found))


def packages(text: str) -> dict[str, str]:
    """The versions by name of what `environment` wrote."""
    pairs = (line.partition("==") for line in text.splitlines() if "==" in line)
    return {name: version for name, _, version in pairs}
