"""Scripts, one for each rival, each run in a process of its own."""

from pathlib import Path

RIVALS = Path(__file__).parent
