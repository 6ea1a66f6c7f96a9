"""What the contracts of a system define: found by the name of the system, with nothing of its pipelines loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from fti_assets.errors import not_found
from fti_assets.vocabulary import FeatureGroup, FeatureView, Model, TrainingDataset, groups_of


def system_contracts(name: str) -> ModuleType:
    """The module `contracts` of a system: of those that come with the platform, or of a package below the working folder.

    Args:
        name: `flights`, or the package of a system of one's own: `shop`.

    Raises:
        NotFoundError: there is no such system; the error names those that are there.
    """
    found = _contracts(name)
    if found is None:
        raise not_found("System", name, system_names(), where=f"fti_assets.systems or the packages of {Path.cwd()}")
    return found


def system_names() -> list[str]:
    """The systems that are found by their names."""
    import fti_assets.systems as systems

    places = [*map(Path, systems.__path__), Path.cwd()]
    return sorted({file.parent.name for place in places for file in place.glob("*/contracts.py")})


def every_system() -> Iterator[tuple[str, ModuleType]]:
    """Each system that is there with its contracts."""
    for name in system_names():
        found = _contracts(name)
        if found is not None:
            yield name, found


def online_groups(contracts: ModuleType) -> list[FeatureGroup]:
    """The feature groups of which something is kept online, by name: those that are defined, and those that views read."""
    defined = [value for value in vars(contracts).values() if isinstance(value, FeatureGroup)]
    read = [group for view in views(contracts) for group in view.groups]
    return _by_name(group for group in (*defined, *read) if group.online)


def views(contracts: ModuleType) -> list[FeatureView]:
    """The feature views, by name: those that are defined, and those that datasets and models read."""
    datasets = [value for value in vars(contracts).values() if isinstance(value, TrainingDataset)]
    datasets += [model.dataset for model in models(contracts)]
    return _by_name([*(value for value in vars(contracts).values() if isinstance(value, FeatureView)), *(d.view for d in datasets)])


def online_views(contracts: ModuleType) -> list[FeatureView]:
    """The views that can be read online: all groups that they join are kept there."""
    return [view for view in views(contracts) if all(group.online for one in view.joined for group in groups_of(one))]


def models(contracts: ModuleType) -> list[Model]:
    """The models, in the order of their definition."""
    return [value for value in vars(contracts).values() if isinstance(value, Model)]


def _contracts(name: str) -> ModuleType | None:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as for `python -m`: a system of one's own lies below the working folder
    for module in (f"fti_assets.systems.{name}.contracts", f"{name}.contracts"):
        if _is_there(module):
            return import_module(module)
    return None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


_Versioned = TypeVar("_Versioned", FeatureGroup, FeatureView)


def _by_name(found: Iterable[_Versioned]) -> list[_Versioned]:
    return list({one.versioned_name: one for one in sorted(found, key=lambda one: one.versioned_name)}.values())
