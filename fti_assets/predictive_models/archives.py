"""Archives of others are looked through before anything in them is read."""

from __future__ import annotations

import stat
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import PurePosixPath

from fti_assets.predictive_models.errors import ModelFileError

LARGEST = 2 * 2**30
"""Bytes that an archive may unpack to."""
LARGEST_RATIO = 200
"""How many times its packed size a member may unpack to: beyond it lies no model, but a bomb."""


MOST_MEMBERS = 100_000


def check_archive(content: bytes, source: str, *, suffixes: tuple[str, ...], largest: int = LARGEST) -> None:
    """Refuses a zip archive with members outside it, links, pickles, or more than `largest` bytes. Nothing is unpacked.

    Args:
        content: of the archive.
        source: names it in errors.
        suffixes: of the members that it may hold, as `.json`.
        largest: bytes that it may unpack to.

    Raises:
        ModelFileError: it is none, or holds another member; the error names it.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ModelFileError(f"{source} ({len(content):,} bytes) is no archive, or damaged: {error}.") from error
    if len(members) > MOST_MEMBERS:
        raise ModelFileError(f"{source} holds {len(members):,} members; {MOST_MEMBERS:,} are allowed. Nothing was unpacked.")
    twice = next((name for name, count in Counter(member.filename for member in members).items() if count > 1), None)
    if twice is not None:
        raise ModelFileError(f"{source} holds '{twice}' more than once. Nothing was unpacked.")
    for member in members:
        _check_member(member, source, suffixes)
    size = sum(member.file_size for member in members)
    if size > largest:
        raise ModelFileError(f"{source} unpacks to {size:,} bytes; {largest:,} are allowed. Nothing was unpacked.")


def _check_member(member: zipfile.ZipInfo, source: str, suffixes: tuple[str, ...]) -> None:
    name, path = member.filename, PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise ModelFileError(f"{source} holds '{name}', which lies outside the archive. Nothing was unpacked.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelFileError(f"{source} holds '{name}', a link. Nothing was unpacked.")
    if path.suffix.lower() in (".pkl", ".pickle", ".joblib"):
        raise ModelFileError(f"{source} holds '{name}', a pickle, which could run any code. Nothing was unpacked.")
    if path.suffix not in suffixes:
        allowed = ", ".join(suffixes)
        raise ModelFileError(f"{source} holds '{name}'; a model of its kind holds {allowed} only. Nothing was unpacked.")
    if member.file_size > 2**20 and member.file_size > LARGEST_RATIO * max(member.compress_size, 1):
        raise ModelFileError(
            f"{source} holds '{name}', which unpacks from {member.compress_size:,} to {member.file_size:,} bytes."
            " Nothing was unpacked."
        )
