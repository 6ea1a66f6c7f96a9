"""One step of a network's training: as it is written, or on a card as one CUDA graph that is captured once and replayed.

A step of a tabular network is a hundred small kernels. A card runs them quicker than Python can ask for them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_EAGER_STEPS = 3
"""Full batches before the capture: what is made at the first use (handles, state of the optimizer) must not be made within it."""


def optimizer(network: torch.nn.Module, *, learning_rate: float, weight_decay: float, device: str) -> torch.optim.Optimizer:
    """AdamW. On a card its learning rate is a tensor there, so that a step that was captured follows it."""
    import torch

    if device == "cpu":
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    rate = torch.tensor(learning_rate, device=device)
    return torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=weight_decay, fused=True, capturable=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the rate of the steps that come."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], float):
            group["lr"] = rate
        else:
            group["lr"].fill_(rate)


def mean_loss(network: torch.nn.Module, matrix: torch.Tensor, truth: torch.Tensor, *weights: torch.Tensor) -> list[torch.Tensor]:
    """The mean log loss of a batch, once for each weight of positive rows; on a card the network computes in bfloat16."""
    import torch

    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=matrix.is_cuda, cache_enabled=False):
        logits = network(matrix).float()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return [loss(logits, truth, pos_weight=weight) for weight in weights]


@dataclass(slots=True)
class Step:
    """A step as it is written; the loss stays on the device, since to read it would wait for the device."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    positive: torch.Tensor

    def __call__(self, matrix: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Changes the network by a batch, of float32 and shapes (rows, columns) and (rows,); gives the mean loss before that."""
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        (loss,) = mean_loss(self.network, matrix, truth, self.positive)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach().double()


@dataclass(slots=True)
class CapturedStep:
    """The same step on a card, replayed for full batches; others go through `step` itself.

    The loss that a replay gives is overwritten by the next one.
    """

    step: Step
    batch_rows: int
    _eager: int = 0
    _graph: Any = None
    _batch: tuple[torch.Tensor, torch.Tensor] = field(init=False)
    _loss: torch.Tensor = field(init=False)

    def __call__(self, matrix: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        import torch

        if len(truth) < self.batch_rows:
            return self.step(matrix, truth)
        with torch.cuda.device(matrix.device):  # streams and graphs are those of the card in use, the first one unless told
            return self._of_full_batch(matrix, truth)

    def _of_full_batch(self, matrix: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if self._eager < _EAGER_STEPS:
            self._eager += 1
            return self._beside(matrix, truth)
        if self._graph is None:
            self._capture(matrix, truth)
        for kept, given in zip(self._batch, (matrix, truth), strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._loss

    def _beside(self, matrix: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """A step on another stream, as what is captured afterwards asks for."""
        import torch

        stream = torch.cuda.Stream(matrix.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(matrix.device))
        with torch.cuda.stream(stream):
            loss = self.step(matrix, truth)
        torch.cuda.current_stream(matrix.device).wait_stream(stream)
        return loss

    def _capture(self, matrix: torch.Tensor, truth: torch.Tensor) -> None:
        import torch

        self._batch = matrix.clone(), truth.clone()
        self.step.optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=torch.cuda.Stream(matrix.device)):  # type: ignore[no-untyped-call]
            self._loss = self.step(*self._batch)
