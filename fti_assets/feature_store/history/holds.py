"""Holds: what refers to a snapshot, which must not expire as long as it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fti_assets.feature_store.datasets.manifest import Manifest
from fti_assets.feature_store.errors import HeldSnapshotError
from fti_assets.feature_store.history.tags import Tag

SNAPSHOT_TAG = "snapshot"
"""Under which a version of a model says which snapshot its training dataset was cut from."""


@dataclass(frozen=True, slots=True, order=True)
class Hold:
    """Something that refers to a snapshot.

    Attributes:
        by: what it is, in words: `training dataset flight_delay/2014-01-01-s42-5f3a9c01`.
    """

    snapshot: int
    by: str


class ModelVersions(Protocol):
    """A model registry, as far as it says which snapshots its models come from."""

    def models(self) -> list[str]: ...

    def versions(self, name: str) -> Sequence[Trained]: ...


class Trained(Protocol):
    """A version of a model; as text it is its name and number."""

    @property
    def tags(self) -> Mapping[str, str]: ...


def holds_of_datasets(manifests: Iterable[Manifest]) -> list[Hold]:
    """Stored training datasets hold the snapshots that they were cut from, so that they can be cut again."""
    return [Hold(manifest.snapshot, f"training dataset {manifest}") for manifest in manifests]


def holds_of_tags(tags: Iterable[Tag]) -> list[Hold]:
    return [Hold(tag.snapshot, f"tag {tag.name}") for tag in tags]


def holds_of_models(registry: ModelVersions) -> list[Hold]:
    """Registered models hold the snapshots that they were trained from, also when the dataset is gone."""
    versions = [version for name in registry.models() for version in registry.versions(name)]
    return [Hold(int(version.tags[SNAPSHOT_TAG]), f"model {version}") for version in versions if SNAPSHOT_TAG in version.tags]


def refuse_held(numbers: Iterable[int], holds: Iterable[Hold]) -> None:
    """Refuses to let a snapshot expire that something refers to.

    Raises:
        HeldSnapshotError: it names what holds which.
    """
    wanted = set(numbers)
    broken = sorted({hold for hold in holds if hold.snapshot in wanted})
    if broken:
        raise HeldSnapshotError(broken)
