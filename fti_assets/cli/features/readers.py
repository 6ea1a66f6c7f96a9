"""Who reads a feature group: training datasets and predictions as the lake knows them, models as the registry does."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fti_assets.cli.stores import has_registry, model_registry
from fti_assets.cli.terminal import console

if TYPE_CHECKING:
    from fti_assets.feature_store import FeatureStore, TableInfo

_KINDS = {"training_datasets": "training dataset", "predictions": "predictions"}


def readers_of(store: FeatureStore, info: TableInfo) -> list[dict[str, Any]]:
    """The readers of a group, each with what it reads and when it last did."""
    last = _last_read(store)
    found: list[dict[str, Any]] = [
        {
            "name": reader.name,
            "kind": _KINDS[reader.kind],
            "view": f"{reader.view}_v{reader.version}",
            "features": list(reader.reads[str(info)]),
            "since": reader.since,
            "last": last(reader.kind, reader.name),
        }
        for reader in store.readers(str(info))
    ]
    return [*found, *(_models(info, {one["view"]: one["features"] for one in found}) if found else [])]


def _last_read(store: FeatureStore) -> Any:
    """A function that says when a reader last read: when a dataset was cut, or predictions were published."""
    published = store.last_published()

    def last(kind: str, name: str) -> datetime | None:
        if kind == "predictions":
            return published.get(f"predictions.{name}")
        versions = store.datasets(name)
        return datetime.fromisoformat(versions[-1][1].created_at) if versions else None

    return last


def _models(info: TableInfo, features: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Versions of models that were trained on the group and have an alias: those that somebody may ask for."""
    if not has_registry():
        return []
    with console(stderr=True).status("Asking the model registry"):
        registry = model_registry()
        versions = [version for name in registry.models() for version in registry.versions(name)]
    return [
        {
            "name": f"{version.name}:{version.version}",
            "kind": f"model ({', '.join(sorted(version.aliases))})",
            "view": (view := f"{version.name}_v{version.tags.get('view_version', '?')}"),
            "features": features.get(view, []),
            "since": version.created_at,
            "last": version.created_at,
        }
        for version in versions
        if version.aliases and info.name in version.tags.get("groups", "").split(", ")
    ]
