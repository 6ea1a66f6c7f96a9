"""A tabular network in PyTorch: embeddings of categories, stopped early, resumed from checkpoints after a kill."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fti_assets.compute import DeviceError, check_device
from fti_assets.predictive_models.torch import NetworkShape, TorchModel, build_network
from fti_assets.training.data import TrainingData, TrainingDataError
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.matrix import Matrices, matrices
from fti_assets.training.run import TrainingRun
from fti_assets.training.trainers.linear import require_numbers
from fti_assets.training.trainers.torch_batches import shuffled
from fti_assets.training.trainers.torch_checkpoints import FittingProgress, keep, resume
from fti_assets.training.trainers.torch_steps import CapturedStep, Step, mean_loss, optimizer, set_learning_rate
from fti_assets.training.weights import ClassWeight, positive_weight

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchTrainer:
    """Parameters of a training by AdamW with a learning rate that falls along a cosine.

    Attributes:
        epochs: most times that the training split is gone through.
        patience: epochs without a better log loss on the validation split after which it stops.
        batch_rows: rows of one step.
        hidden: widths of the hidden layers.
        class_weight: weight of a positive row; `balanced` is the number of negative by that of positive ones.
    """

    epochs: int = 12
    patience: int = 3
    batch_rows: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    hidden: tuple[int, ...] = (256, 128)
    dropout: float = 0.1
    class_weight: ClassWeight = 1.0

    def fit(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        """Trains on the train split; on CUDA in mixed precision (bfloat16 beside float32), by steps captured as a CUDA graph.

        With `run.checkpoints` its state is kept after each epoch, and a training that finds one goes on from there: on a CPU
        to the same model as one that was never killed.

        Raises:
            DeviceError: `run.device` asks for CUDA and there is no GPU that PyTorch can use; nothing is read.
            DefinitionError: the model's transformations leave missing numbers.
            TrainingDataError: a row has no label.
        """
        check_device(run.device)
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import torch

        if run.device != "cpu" and not torch.cuda.is_available():
            raise DeviceError(
                f"Device '{run.device}' is asked for, but this PyTorch cannot use CUDA.", next_step="Install a CUDA build."
            )
        with _threads(torch, run.threads), matrices(data, run) as made:
            require_numbers(made.transformations, "A network", codes=True)
            fitting = Fitting.start(self, made, run)
            for epoch in range(fitting.progress.epoch, self.epochs):
                if fitting.progress.is_over(self.patience):
                    break
                fitting.go_through(epoch)
            network, shape = fitting.best()
        done = fitting.progress
        return FittedModel(
            model=TorchModel(network, shape, made.transformations, data.label),
            params=self.params,
            learning_curve={"logloss_train": tuple(done.train), "logloss_validation": tuple(done.validation)},
            best_iteration=done.best_epoch,
        )

    @property
    def params(self) -> Mapping[str, str | int | float | bool | None]:
        """The parameters as they are logged."""
        return {"trainer": "torch", **asdict(self), "hidden": ", ".join(map(str, self.hidden))}


@dataclass(slots=True)
class Fitting:
    """A network on its way, with everything that is needed to go on."""

    trainer: TorchTrainer
    run: TrainingRun
    made: Matrices
    shape: NetworkShape
    network: Any
    optimizer: Any
    step: Step | CapturedStep
    weights: tuple[torch.Tensor, torch.Tensor]
    progress: FittingProgress = field(default_factory=FittingProgress)
    best_weights: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, trainer: TorchTrainer, made: Matrices, run: TrainingRun) -> Fitting:
        import torch

        torch.manual_seed(run.seed)
        shape = NetworkShape.of(made.transformations.columns, trainer.hidden, trainer.dropout)
        network = build_network(shape).to(run.device)
        updates = optimizer(network, learning_rate=trainer.learning_rate, weight_decay=trainer.weight_decay, device=run.device)
        weight = torch.tensor(positive_weight(trainer.class_weight, made.train.labels), device=run.device)
        step = Step(network, updates, weight)
        taken = step if run.device == "cpu" else CapturedStep(step, trainer.batch_rows)
        fitting = cls(trainer, run, made, shape, network, updates, taken, (torch.ones_like(weight), weight))
        if run.checkpoints is not None:
            resume(fitting, run.checkpoints)
        return fitting

    def go_through(self, epoch: int) -> None:
        """One epoch over the training split, then the validation split."""
        import torch

        # Drawn anew for each epoch, so that a training that goes on draws what one without a break would.
        torch.manual_seed(self.run.seed * 1_000_003 + epoch)
        draw = np.random.default_rng((self.run.seed, epoch))
        self.network.train()
        total, seen = torch.zeros((), dtype=torch.float64, device=self.run.device), 0
        for values, labels in shuffled(self.made.train, self.trainer.batch_rows, draw, device=self.run.device):
            set_learning_rate(self.optimizer, self._learning_rate(epoch + seen / len(self.made.train)))
            total += self.step(values, labels) * len(labels)
            seen += len(labels)
        self.progress.train.append(float(total) / seen)
        plain, weighted = self._validation_losses()
        self.progress.validation.append(plain)
        self.progress.judged.append(weighted)
        self.progress.epoch = epoch + 1
        if math.isnan(weighted):
            raise TrainingDataError(
                f"The network's loss is not a number after epoch {epoch}.",
                next_step="Scale the features (Numeric(scale=...)), or lower the learning rate.",
            )
        if self.progress.best_epoch == epoch:
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
        if self.run.checkpoints is not None:
            keep(self, self.run.checkpoints)
        loss = self.progress.validation[-1]
        self.run.progress(f"epoch {epoch}: train log loss {self.progress.train[-1]:.4f}, validation {loss:.4f}")
        self.run.report(epoch, {"logloss": loss})

    def best(self) -> tuple[Any, NetworkShape]:
        """The network of the best epoch, on the CPU."""
        self.network.load_state_dict(self.best_weights)
        return self.network.to("cpu").eval(), self.shape

    def _validation_losses(self) -> tuple[float, float]:
        """Of the validation split, plain and with positive rows weighted as in training."""
        import torch

        self.network.eval()
        total, device = np.zeros(2), self.run.device
        with torch.inference_mode():
            for values, labels in self.made.validation.pieces():
                matrix = torch.from_numpy(np.array(values)).to(device)
                truth = torch.from_numpy(labels.astype(np.float32)).to(device)
                total += [float(loss) * len(labels) for loss in mean_loss(self.network, matrix, truth, *self.weights)]
        plain, weighted = total / len(self.made.validation)
        return float(plain), float(weighted)

    def _learning_rate(self, at: float) -> float:
        warm = min(1.0, at / 0.3)  # the first third of an epoch rises to the full rate
        return self.trainer.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * at / self.trainer.epochs))


@contextmanager
def _threads(torch: Any, threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
