"""Which models a system serves: those that its contracts promise predictions of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from fti_assets.errors import not_found
from fti_assets.serving.errors import ServingError
from fti_assets.vocabulary import Model, Predictions


@dataclass(frozen=True, slots=True)
class ServedSystem:
    """A system, and the models of it that are served.

    Attributes:
        contracts: name of the module in which they are defined.
    """

    name: str
    models: tuple[Model, ...]
    contracts: str

    @staticmethod
    def of(contracts: ModuleType | str, models: Sequence[str] = ()) -> ServedSystem:
        """The system that a module of contracts defines.

        Args:
            contracts: `fti_assets.systems.flights.contracts`, the module or its name.
            models: names of those that are served; all that predictions are promised of unless given, or else all.

        Raises:
            NotFoundError: it has no model of one of these names.
            ServingError: it has no model at all.
        """
        module = import_module(contracts) if isinstance(contracts, str) else contracts
        found = dict.fromkeys(one for one in vars(module).values() if isinstance(one, Model))
        promised = dict.fromkeys(one.model for one in vars(module).values() if isinstance(one, Predictions))
        name, known = module.__name__.removesuffix(".contracts").rpartition(".")[2], {model.name: model for model in found}
        for model in models:
            if model not in known:
                raise not_found("Model", model, known, where=f"the contracts of system '{name}'")
        chosen = [known[model] for model in dict.fromkeys(models)] or list(promised or found)
        if not chosen:
            raise ServingError(f"The contracts of system '{name}' hold no model.")
        return ServedSystem(name, tuple(chosen), module.__name__)
