"""The landing zone: files as partners deliver them, and the delivery notes that say when a delivery is complete."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv

from fti_assets.collection.error import LandingError
from fti_assets.vocabulary import Daily, checked_name

Content: TypeAlias = pa.Table | bytes
"""What is delivered: the bytes of a CSV file with a header, or an Arrow table that is written as one."""

REDELIVER = "Have it delivered again: files first, the delivery note last."


@dataclass(frozen=True, slots=True)
class LandedFile:
    """What a delivery note says of one file. `rows` counts the rows of data, without the header."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Note:
    """A delivery note: the files of one day, or of the reference tables, by source."""

    files: Mapping[str, LandedFile]

    def to_json(self) -> bytes:
        """The same text for the same files, whatever their order."""
        files = {source: asdict(file) for source, file in self.files.items()}
        return (json.dumps({"files": files}, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Note:
        """Reads a note.

        Raises:
            LandingError: it is not one.
        """
        try:
            files = json.loads(path.read_bytes())["files"]
            return cls({source: LandedFile(**file) for source, file in files.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LandingError([f"{path} is not a delivery note: {error}."], next_step=REDELIVER) from error


class LandingZone:
    """A folder that partners deliver into: `SOURCE/SOURCE_YYYY-MM-DD.csv`, and `reference/SOURCE.csv`.

    A day is complete when its note `days/YYYY-MM-DD.json` is there. The note is written last, and each file replaces the
    former one at once, so that a reader never takes half a delivery for a whole one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def deliver_day(self, day: str, contents: Mapping[str, Content]) -> Note:
        """Delivers all sources of one day, in place of a former delivery. The same contents give the same bytes."""
        return self._deliver(self._day_note(day), {self.file(source, day): content for source, content in contents.items()})

    def deliver_reference(self, contents: Mapping[str, Content]) -> Note:
        """Delivers all reference tables, in place of a former delivery."""
        return self._deliver(self._reference_note, {self.reference_file(source): content for source, content in contents.items()})

    def days(self) -> dict[str, str]:
        """The complete days in order, each with the digest of its note, which changes when a day is delivered anew."""
        notes = sorted((self.root / "days").glob("[0-9]*-[0-9]*-[0-9]*.json"))
        return {note.stem: hashlib.sha256(note.read_bytes()).hexdigest() for note in notes}

    def reference_digest(self) -> str | None:
        """The digest of the note of the reference tables; None before they are delivered."""
        note = self._reference_note
        return hashlib.sha256(note.read_bytes()).hexdigest() if note.exists() else None

    def file(self, source: str, day: str) -> Path:
        """Where the file of that source and day is, or will be."""
        name = checked_name(source, "A source")
        return self.root / name / f"{name}_{Daily.day(day).isoformat()}.csv"

    def reference_file(self, source: str) -> Path:
        """Where that reference table is, or will be."""
        return self.root / "reference" / f"{checked_name(source, 'A source')}.csv"

    def check(self, source: str, days: Iterable[str]) -> int:
        """Compares the files of those days with their delivery notes, and returns how many rows they hold in all.

        Raises:
            LandingError: a note or a file is missing, or a file is not the one that was delivered.
        """
        return self._check({self.file(source, day): self._day_note(day) for day in days}, source)

    def check_reference(self, source: str) -> int:
        """As `check`, for a reference table."""
        return self._check({self.reference_file(source): self._reference_note}, source)

    @property
    def _reference_note(self) -> Path:
        return self.root / "reference" / "delivery.json"

    def _day_note(self, day: str) -> Path:
        return self.root / "days" / f"{Daily.day(day).isoformat()}.json"

    def _deliver(self, note: Path, contents: Mapping[Path, Content]) -> Note:
        encoded = {path: _encoded(content) for path, content in contents.items()}
        delivered = Note({_source(path): _described(path, content) for path, content in encoded.items()})
        if _holds(note, delivered.to_json()) and all(_holds(path, content) for path, content in encoded.items()):
            return delivered
        # Without the former note the day is not complete, even if this delivery is broken off half-way.
        note.unlink(missing_ok=True)
        for path, content in encoded.items():
            _replace(path, content)
        _replace(note, delivered.to_json())
        return delivered

    def _check(self, files: Mapping[Path, Path], source: str) -> int:
        problems, rows = [], 0
        for path, note in files.items():
            if not note.exists():
                problems.append(f"{path} cannot be read: its delivery note {note} is missing. {self._what_exists()}")
                continue
            landed = Note.read(note).files
            if source not in landed:
                problems.append(f"{note} does not list source '{source}', so {path} was not delivered. It lists: {_names(landed)}.")
                continue
            problems += _differences(path, landed[source])
            rows += landed[source].rows
        if problems:
            raise LandingError(problems, next_step=REDELIVER)
        return rows

    def _what_exists(self) -> str:
        days = list(self.days())
        return f"Complete days: {len(days)}, from {days[0]} to {days[-1]}." if days else "No day is complete."


def _names(files: Mapping[str, LandedFile]) -> str:
    return ", ".join(sorted(files)) or "none"


def _source(path: Path) -> str:
    return path.stem if path.parent.name == "reference" else path.parent.name


def _encoded(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    buffer = io.BytesIO()
    pa.csv.write_csv(content, buffer)
    return buffer.getvalue()


def _described(path: Path, content: bytes) -> LandedFile:
    return LandedFile(file=path.name, rows=_rows(content), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _rows(content: bytes) -> int:
    """Lines after the header that are not blank; a line break within quotes does not end one."""
    lines = re.sub(rb'"[^"]*"', b"x", content) if b'"' in content else content
    return max(sum(1 for line in lines.splitlines() if line) - 1, 0)


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


def _replace(path: Path, content: bytes) -> None:
    """Writes the file whole: readers see the former content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def _differences(path: Path, landed: LandedFile) -> Iterator[str]:
    """What is wrong with the file; its size is compared before it is read."""
    if not path.exists():
        yield f"{path} is missing, though its delivery note lists it."
        return
    size = path.stat().st_size
    if size != landed.bytes:
        state = "cut off" if size < landed.bytes else "too long"
        yield f"{path} has {size:,} bytes, but {landed.bytes:,} were delivered: it is {state}."
    elif hashlib.sha256(path.read_bytes()).hexdigest() != landed.sha256:
        yield f"{path} has the {size:,} bytes that were delivered, but not the same ones (its sha256 differs)."
