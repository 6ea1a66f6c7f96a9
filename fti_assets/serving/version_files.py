"""Versions as a server keeps them on its own disk: a folder for each, which names the SHA-256 of everything in it.

So a server starts without the registry, and what it loads is what was verified when it was fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fti_assets.serving.errors import ServingError

DESCRIPTION, CHECK, LAST = "version.json", "check.json", "champion.json"
FORMAT = 1
"""Of what is kept. One more whenever a translation is written in another way: what is kept in another format is fetched again."""
_AGAIN = "It is fetched again from the registry."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """A version in a folder of its own.

    Attributes:
        folder: where its files are.
        model: its name.
        version: its number.
        view_version: of the feature view that it was trained on; None where its training did not say.
        file: the model file, as it was registered.
        kind: the class of the model in it.
        sha256: of each file, by its name; the one of `file` is the registry's.
        translation: the file with the quicker form of the model; empty where there is none.
        untranslated: why there is none; empty where there is one.
        registered_at: as ISO 8601.
    """

    folder: Path = field(compare=False)
    model: str
    version: int
    view_version: int | None
    file: str
    kind: str
    sha256: Mapping[str, str]
    translation: str
    untranslated: str
    registered_at: str = ""

    @property
    def model_sha256(self) -> str:
        return self.sha256[self.file]

    def read(self, file: str) -> bytes:
        """The content of a file, compared with its SHA-256.

        Raises:
            ServingError: it is gone, or another one.
        """
        try:
            content = (self.folder / file).read_bytes()
        except OSError as error:
            raise ServingError(f"{self.folder / file} cannot be read: {error}.", next_step=_AGAIN) from error
        if hashlib.sha256(content).hexdigest() != self.sha256.get(file):
            raise ServingError(f"{self.folder / file} is not the file that was kept.", next_step=_AGAIN)
        return content

    def check(self) -> dict[str, Any]:
        """Rows, and what the model as it was registered predicts for them."""
        return dict(json.loads(self.read(CHECK)))


class VersionFolder:
    """The versions that a server keeps of one model, and which one it served last as champion.

    Args:
        root: `$FTI_DATA_DIR/serving`.
        model: its name.
    """

    def __init__(self, root: Path, model: str) -> None:
        self.folder, self.model = root / model, model

    def place(self, version: int, sha256: str) -> Path:
        """Where a version is kept. It has the hash in its name, since registries are emptied, and numbers used again."""
        return self.folder / f"{version}-{sha256[:16]}"

    def find(self, version: int, sha256: str) -> KeptVersion | None:
        """The version, where it is kept whole."""
        found = _described(self.place(version, sha256))
        return found if found is not None and found.model_sha256 == sha256 else None

    def keep(self, made: Path, described: KeptVersion) -> KeptVersion:
        """Moves a folder of files to its place, as a whole."""
        place = self.place(described.version, described.model_sha256)
        said = {name: value for name, value in asdict(described).items() if name != "folder"}
        _write(made / DESCRIPTION, json.dumps({"format": FORMAT, **said}, indent=1).encode())
        if place.exists():  # damaged, or it would have been found
            shutil.rmtree(place)
        made.rename(place)
        return KeptVersion(folder=place, **said)

    def remember(self, kept: KeptVersion) -> None:
        """Notes that it serves as champion now."""
        said = {"version": kept.version, "sha256": kept.model_sha256}
        _write(self.folder / LAST, json.dumps(said).encode())

    def last(self) -> KeptVersion | None:
        """The champion that was served last; None where there was none, or nothing whole is left of it."""
        try:
            said = json.loads((self.folder / LAST).read_bytes())
            return self.find(int(said["version"]), str(said["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remove_old(self, wanted: set[Path], *, keep: int = 4) -> None:
        """Removes versions that are neither wanted nor among the `keep` that were fetched last: another worker may read those."""
        found = [one for one in self.folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
        found.sort(key=lambda one: one.stat().st_mtime, reverse=True)
        for folder in found[keep:]:
            if folder not in wanted:
                shutil.rmtree(folder, ignore_errors=True)


def _described(folder: Path) -> KeptVersion | None:
    try:
        said = json.loads((folder / DESCRIPTION).read_bytes())
        return KeptVersion(folder=folder, **said) if said.pop("format", None) == FORMAT else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _write(file: Path, content: bytes) -> None:
    """Writes it as a whole: whoever reads meanwhile finds what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    with part.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    part.rename(file)
