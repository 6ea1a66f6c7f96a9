"""What a training may use, and whom it tells how it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fti_assets.errors import DefinitionError, FtiError


class StoppedError(FtiError):
    """A training was told to stop, since it promises less than others."""


def _silent(text: str) -> None:
    pass


def _unwatched(step: int, figures: Mapping[str, float]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """Where and how a training runs. The same data, trainer, seed and number of threads give the same model on a CPU.

    Attributes:
        device: `cpu`, `cuda` or `cuda:N`; that it is there is checked before any data is read.
        seed: of everything that is drawn at random.
        threads: how many are used; all cores when None.
        workspace: folder for the matrices that trainers read from disk, where they stay for other trainings on the same data
            (the trials of a search); a temporary one, removed afterwards, when None.
        checkpoints: folder in which a training that takes long keeps its state, to go on after it was killed; a trainer keeps none
            when None, and makes the folder if it is not there. It belongs to this training alone: another dataset, trainer or seed
            needs another folder. `train` gives one and removes it after a success, unless one is given.
        progress: is told in a line of text where the training stands.
        report: is told figures of the validation split after a round or epoch; it may raise StoppedError.

    Raises:
        DefinitionError: the seed is below 0, or there are fewer threads than 1.
    """

    device: str = "cpu"
    seed: int = 0
    threads: int | None = None
    workspace: Path | None = None
    checkpoints: Path | None = None
    progress: Callable[[str], None] = _silent
    report: Callable[[int, Mapping[str, float]], None] = _unwatched

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise DefinitionError(f"The seed of a training is {self.seed}.", next_step="Give a whole number from 0 on.")
        if self.threads is not None and self.threads < 1:
            raise DefinitionError(
                f"A training is given {self.threads} threads.", next_step="Give at least 1, or None to use all cores."
            )
