"""Training programs: one function that fits a model, with the model's contract. They need no Dagster to run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fti_assets.errors import DefinitionError, not_found
from fti_assets.training.data import TrainingData
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.run import TrainingRun
from fti_assets.training.trainers import Trainer
from fti_assets.vocabulary import Model

Fit = Callable[[TrainingData, TrainingRun], FittedModel]
Space = Callable[[Any], Trainer]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgram:
    """How a model is trained; called with `data` and `run`, it is the function.

    Attributes:
        reference: where it is defined, as `module:name`: how a worker in another process or image finds it.
        function: takes TrainingData and TrainingRun, returns a FittedModel.
        space: what `search` looks through: a function of an Optuna trial that returns a trainer; none cannot be searched.
        baseline: features by whose base rates the model is compared; none compares with nothing.
        framework: shown as an icon in the UI.
    """

    model: Model
    reference: str
    function: Fit
    space: Space | None = None
    baseline: tuple[str, ...] = ()
    framework: str = "xgboost"

    def __call__(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        return self.function(data, run)


def training_program(
    model: Model, *, baseline: tuple[str, ...] = (), framework: str = "xgboost", space: Space | None = None
) -> Callable[[Fit], TrainingProgram]:
    """Makes a training program of a function that takes `data` (TrainingData) and `run` (TrainingRun).

    Args:
        model: the contract of the model.
        baseline: features by whose base rates a simple table is made, to be compared with.
        framework: shown as an icon in the UI.
        space: function of an Optuna trial that returns a trainer, for `search`.

    Raises:
        DefinitionError: the baseline names what the view lacks.
    """
    unknown = [name for name in baseline if name not in model.view.feature_names]
    if unknown:
        raise DefinitionError(f"The baseline of model '{model.name}' names {', '.join(unknown)}, which its view lacks.")

    def decorate(function: Fit) -> TrainingProgram:
        return TrainingProgram(
            model=model,
            reference=f"{function.__module__}:{function.__qualname__}",
            function=function,
            space=space,
            baseline=baseline,
            framework=framework,
        )

    return decorate


def find_program(reference: str) -> TrainingProgram:
    """The program that `module:name` names.

    Raises:
        NotFoundError: the module, or a program of that name in it, is not there.
    """
    module_name, _, name = reference.partition(":")
    try:
        module: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise not_found("Module", module_name, (), next_step=f"Is the package installed here? Python says: {error}.") from error
    found = getattr(module, name, None)
    if not isinstance(found, TrainingProgram):
        existing = [key for key, value in vars(module).items() if isinstance(value, TrainingProgram)]
        raise not_found("Training program", name, existing, where=f"module '{module_name}'")
    return found
