"""Checkpoints of a network's training: its whole state after an epoch, as a folder that appears at once."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fti_assets.training.trainers.torch import Fitting


@dataclass(slots=True)
class FittingProgress:
    """How far a training is: the epoch that comes next, and the log losses until now.

    Attributes:
        judged: those of validation with positive rows weighted as in training, by which the best epoch is chosen.
    """

    epoch: int = 0
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return int(np.argmin(self.judged))

    def is_over(self, patience: int) -> bool:
        return bool(self.judged) and len(self.judged) - 1 - self.best_epoch >= patience


_STATE, _TENSORS = "progress.json", "state.safetensors"


def keep(fitting: Fitting, folder: Path) -> None:
    """Writes the state as one folder that appears as a whole, and removes the one before."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    epoch = fitting.progress.epoch
    work, done = folder / f".epoch-{epoch}", folder / f"epoch-{epoch:05d}"
    _remove(work)
    work.mkdir()
    tensors = {f"network.{name}": tensor for name, tensor in fitting.network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in fitting.best_weights.items()}
    for number, state in fitting.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in state.items()}
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, work / _TENSORS)
    (work / _STATE).write_text(json.dumps({"progress": asdict(fitting.progress), "about": _about(fitting)}))
    _remove(done)
    work.rename(done)
    for old in _checkpoints(folder)[:-1]:
        _remove(old)


def resume(fitting: Fitting, folder: Path) -> None:
    """Goes on from the newest state, if there is one of this very training."""
    from safetensors.torch import load_file

    kept = _checkpoints(folder)
    if not kept:
        return
    said = json.loads((kept[-1] / _STATE).read_text())
    if said["about"] != _about(fitting):
        fitting.run.progress(f"the checkpoint in {folder} is of another training: starting anew")
        for other in kept:
            _remove(other)
        return
    tensors = load_file(kept[-1] / _TENSORS, device=fitting.run.device)
    of = {kind: {name.partition(".")[2]: one for name, one in tensors.items() if name.startswith(f"{kind}.")} for kind in _PARTS}
    fitting.network.load_state_dict(of["network"])
    fitting.best_weights = {name: tensor.cpu() for name, tensor in of["best"].items()}
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in of["optimizer"].items():
        number, _, what = name.partition(".")
        state.setdefault(int(number), {})[what] = tensor.cpu() if what == "step" else tensor
    fitting.optimizer.load_state_dict({**fitting.optimizer.state_dict(), "state": state})
    fitting.progress = FittingProgress(**said["progress"])
    fitting.run.progress(f"going on after epoch {fitting.progress.epoch - 1}, from {kept[-1]}")


_PARTS = ("network", "best", "optimizer")


def _about(fitting: Fitting) -> dict[str, Any]:
    """What must be the same for a checkpoint to be gone on from; a card and a CPU do not come to the same weights."""
    said = {
        "trainer": asdict(fitting.trainer),
        "seed": fitting.run.seed,
        "threads": fitting.run.threads,
        "device": fitting.run.device.partition(":")[0],
        "dataset": fitting.made.content_hash,
        "rows": [len(fitting.made.train), len(fitting.made.validation)],
        "transformations": fitting.made.transformations.as_data(),
    }
    return dict(json.loads(json.dumps(said)))


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*"))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
