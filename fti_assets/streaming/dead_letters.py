"""Events that were refused, kept beside the stream with the reason, so that somebody can mend and send them again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import orjson

from fti_assets.streaming.events import Refused

_log = logging.getLogger(__name__)
LARGEST = 16 << 20
"""Bytes after which a file is put aside."""
_KEPT = 4
"""Files of one group that are kept, the present one included; the oldest is removed."""


class DeadLetters:
    """Files of refused events, `GROUP.ndjson` in a folder: when, why, and what was sent. They hold a bounded number of them."""

    def __init__(self, folder: Path, *, largest: int = LARGEST) -> None:
        self.folder, self._largest, self._lock = folder, largest, Lock()
        self.lost = 0
        """Events that could not be written, since the disk would not have them."""

    def write(self, group: str, refused: Sequence[Refused]) -> None:
        """Keeps refused events; what cannot be written is counted and said, and stops nothing."""
        if not refused:
            return
        now = datetime.now(UTC).isoformat()
        lines = [
            orjson.dumps({"refused_at": now, "group": group, "reason": one.reason, "event": one.data.decode(errors="replace")})
            for one in refused
        ]
        try:
            with self._lock:
                self._append(self.folder / f"{group}.ndjson", b"\n".join(lines) + b"\n")
        except OSError as error:
            self.lost += len(refused)
            _log.warning("%d refused events of %s could not be kept in %s: %s", len(refused), group, self.folder, error)

    def _append(self, file: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size + len(data) > self._largest:
            for number in range(_KEPT - 1, 0, -1):
                older = file if number == 1 else _aside(file, number - 1)
                if older.exists():
                    older.replace(_aside(file, number))
        with file.open("ab") as out:
            out.write(data)


def _aside(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}.{number}.ndjson")
