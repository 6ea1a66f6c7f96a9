"""Which models a system serves: those that its contracts promise predictions of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fti_assets.errors import not_found
from fti_assets.serving.errors import ServingError
from fti_assets.vocabulary import Model, Predictions


@dataclass(frozen=True, slots=True)
class ServedSystem:
    """A system, and the models of it that are served."""

    name: str
    models: tuple[Model, ...]

    @staticmethod
    def find(name: str, models: Sequence[str] = ()) -> ServedSystem:
        """The system with contracts in `fti_assets.systems.NAME.contracts`, or in `NAME.contracts`, also below the working folder.

        Args:
            name: of the system, or of its package.
            models: names of those that are served; all that predictions are promised of unless given, or else all.

        Raises:
            NotFoundError: there is no such system or model.
            ServingError: it has no models.
        """
        found = list(_models(_contracts(name)))
        known = {model.name: model for model in found}
        for model in models:
            if model not in known:
                raise not_found("Model", model, known, where=f"the contracts of system '{name}'")
        chosen = tuple(known[model] for model in dict.fromkeys(models)) if models else _promised(_contracts(name)) or tuple(found)
        if not chosen:
            raise ServingError(f"The contracts of system '{name}' hold no model.")
        return ServedSystem(name, chosen)

    def only(self, names: Sequence[str]) -> ServedSystem:
        """The same with some of its models."""
        return replace(self, models=tuple(model for model in self.models if model.name in names))


def _contracts(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as for `python -m`: a system of one's own lies below the working folder
    for module in (f"fti_assets.systems.{name}.contracts", f"{name}.contracts"):
        if _is_there(module):
            return import_module(module)
    raise not_found(
        "System",
        name,
        _systems(),
        where=f"fti_assets.systems, and no package '{name}' with a module 'contracts' is below {here}",
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _systems() -> list[str]:
    import fti_assets.systems as systems

    return [path.parent.name for folder in systems.__path__ for path in Path(folder).glob("*/contracts.py")]


def _models(contracts: Any) -> dict[Model, None]:
    return dict.fromkeys(one for one in vars(contracts).values() if isinstance(one, Model))


def _promised(contracts: Any) -> tuple[Model, ...]:
    return tuple(dict.fromkeys(one.model for one in vars(contracts).values() if isinstance(one, Predictions)))
