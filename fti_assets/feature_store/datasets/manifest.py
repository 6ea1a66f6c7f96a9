"""Manifests: what each stored version of a training dataset is, and how it is found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fti_assets.errors import FtiError, not_found
from fti_assets.feature_store.catalogue.definitions import from_data
from fti_assets.vocabulary import TrainingDataset

_FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a stored training dataset is: enough to cut it again and to see that it is the same.

    Attributes:
        groups: version of each feature group, by name.
        cutoff: the instant (UTC) at which the test split ends, and by which labels had to be known.
        splits: start and end (UTC) of each split.
        positive_share: mean of the label in each split.
        unlabelled_rows: rows of the spine before the cut-off that were left out, since their label was not mature, or not known,
            by then.
        content_hash: SHA-256 of all values of all splits, independent of the file format.
        sha256: of the file of each split, which is compared before a model is trained on it; empty in manifests that were written
            before it was kept.
        definition: the dataset as it was defined when it was cut, see `fti_assets.feature_store.catalogue.definitions`; None in
            manifests that were written before definitions were kept.
    """

    id: str
    dataset: str
    view: str
    view_version: int
    groups: Mapping[str, int]
    snapshot: int
    cutoff: str
    splits: Mapping[str, tuple[str, str]]
    rows: Mapping[str, int]
    positive_share: Mapping[str, float]
    unlabelled_rows: int
    features: tuple[str, ...]
    label: str
    content_hash: str
    code_version: str
    created_at: str
    sha256: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.dataset}/{self.id}"

    @property
    def defined(self) -> TrainingDataset:
        """The training dataset as it was defined when it was cut; the code that defined it is not needed.

        Raises:
            FtiError: the manifest is from before definitions were kept.
            DefinitionError: the definition was stored by a version that says more than this one understands.
        """
        if self.definition is None:
            raise FtiError(
                f"Training dataset '{self}' was cut before definitions were kept with datasets, so nothing says how it was made.",
                next_step="Cut it by its definition in code, with the snapshot and cut-off that its manifest names.",
            )
        found = from_data(self.definition)
        assert isinstance(found, TrainingDataset)  # that is what is written
        return found


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest next to the splits in `folder`, as a whole: one that is there is exchanged."""
    part = folder / f".{_FILE}"
    part.write_text(json.dumps(asdict(manifest), indent=2))
    part.replace(folder / _FILE)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the stored dataset in `folder`."""
    content = json.loads((folder / _FILE).read_text())
    content["features"] = tuple(content["features"])
    content["splits"] = {name: (start, end) for name, (start, end) in content["splits"].items()}
    return Manifest(**content)


def stored(folder: Path) -> list[tuple[Path, Manifest]]:
    """The stored versions of one dataset, oldest first."""
    if not folder.is_dir():
        return []
    folders = [path.parent for path in folder.glob(f"*/{_FILE}")]
    found = [(path, read_manifest(path)) for path in folders if not path.name.startswith(".")]  # which is one being cut
    return sorted(found, key=lambda pair: (pair[1].created_at, pair[1].snapshot, pair[1].id))


def find(folder: Path, dataset: str, dataset_id: str | None = None) -> tuple[Path, Manifest]:
    """The version `dataset_id` of a dataset, or its newest.

    Raises:
        NotFoundError: there is no such version.
    """
    versions = stored(folder)
    if dataset_id is None and versions:
        return versions[-1]
    for path, manifest in versions:
        if manifest.id == dataset_id:
            return path, manifest
    raise not_found(
        "Training dataset",
        f"{dataset}/{dataset_id or 'newest'}",
        [f"{dataset}/{manifest.id}" for _, manifest in versions],
        next_step=f"Materialise 'training_datasets/{dataset}' to cut one.",
    )
