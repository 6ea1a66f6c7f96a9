"""Tabular networks in PyTorch that carry their own transformations, in safetensors' format."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fti_assets.predictive_models.description import KEY, Description, safetensors_metadata
from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, MatrixColumn, Rows

if TYPE_CHECKING:
    import torch

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """The layers of a tabular network: embeddings of categories beside numbers, then layers that are fully connected.

    Attributes:
        numbers: positions, in the matrix, of columns of numbers.
        categories: positions of columns of codes, and how many categories each has.
        embedding: size of each embedding, in the order of `categories`.
        hidden: widths of the hidden layers.
        dropout: share of activations that is dropped in training.
    """

    numbers: tuple[int, ...]
    categories: tuple[tuple[int, int], ...]
    embedding: tuple[int, ...]
    hidden: tuple[int, ...]
    dropout: float

    @classmethod
    def of(cls, columns: tuple[MatrixColumn, ...], hidden: tuple[int, ...], dropout: float, largest: int = 32) -> NetworkShape:
        """The shape for the columns of a matrix; an embedding is `1.6 * n ** 0.56` wide, at most `largest`.

        Source of the rule: Howard and Gugger, Deep Learning for Coders with fastai and PyTorch, 2020, chapter 9.
        """
        counts = [(n, len(column.categories)) for n, column in enumerate(columns) if column.categories is not None]
        return cls(
            numbers=tuple(n for n, column in enumerate(columns) if column.categories is None),
            categories=tuple(counts),
            embedding=tuple(min(largest, max(1, round(1.6 * (count + 1) ** 0.56))) for _, count in counts),
            hidden=hidden,
            dropout=dropout,
        )

    @classmethod
    def read(cls, said: dict[str, Any]) -> NetworkShape:
        """What `dataclasses.asdict` and JSON made of one."""
        return cls(
            numbers=tuple(said["numbers"]),
            categories=tuple((position, count) for position, count in said["categories"]),
            embedding=tuple(said["embedding"]),
            hidden=tuple(said["hidden"]),
            dropout=said["dropout"],
        )


def build_network(shape: NetworkShape) -> torch.nn.Module:
    """A network of that shape with fresh weights: takes a matrix of float32, shape (rows, columns), gives logits, shape (rows,)."""
    import torch

    class TabularNetwork(torch.nn.Module):
        numbers: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            sizes = [(count + 1, size) for (_, count), size in zip(shape.categories, shape.embedding, strict=True)]
            # Number 0 is missing, or not seen in training: it stays at zero, between the others.
            self.embeddings = torch.nn.ModuleList(torch.nn.Embedding(*size, padding_idx=0) for size in sizes)
            widths = [len(shape.numbers) + sum(shape.embedding), *shape.hidden]
            layers: list[torch.nn.Module] = []
            for wide, narrow in itertools.pairwise(widths):
                layers += [
                    torch.nn.Linear(wide, narrow),
                    torch.nn.LayerNorm(narrow),
                    torch.nn.SiLU(),
                    torch.nn.Dropout(shape.dropout),
                ]
            self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 1))
            self.register_buffer("numbers", torch.tensor(shape.numbers, dtype=torch.long), persistent=False)

        def forward(self, matrix: torch.Tensor) -> torch.Tensor:
            parts = [matrix.index_select(1, self.numbers)]
            for (position, _), embedding in zip(shape.categories, self.embeddings, strict=True):
                codes = torch.nan_to_num(matrix[:, position] + 1.0, nan=0.0).long()  # 0 stands for missing
                parts.append(embedding(codes))
            logits: torch.Tensor = self.layers(torch.cat(parts, dim=1)).squeeze(1)
            return logits

    return TabularNetwork()


@dataclass(frozen=True, slots=True, eq=False)
class TorchModel:
    """A tabular network with what it needs to read raw rows. It predicts on the CPU.

    Attributes:
        network: made by `build_network`, with fitted weights.
        shape: what it was built of.
        transformations: fitted on the training split.
        label: name of what is predicted.
    """

    network: Any = field(repr=False)
    shape: NetworkShape
    transformations: FittedTransformations
    label: str

    FILE: ClassVar[str] = "model.safetensors"

    def predict(self, rows: Rows) -> FloatArray:
        return self.predict_matrix(self.transformations.matrix(rows))

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        import torch

        self.network.eval()
        with torch.inference_mode():
            pieces = [
                torch.sigmoid(self.network(torch.from_numpy(matrix[start : start + _ROWS_AT_ONCE]))).double().numpy()
                for start in range(0, len(matrix), _ROWS_AT_ONCE)
            ]
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float64)

    def save(self, folder: Path) -> Path:
        from dataclasses import asdict

        from safetensors.torch import save_file

        described = Description(transformations=self.transformations, label=self.label, settings=asdict(self.shape))
        path = folder / self.FILE
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        save_file(weights, path, metadata={KEY: described.text})
        return path

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> TorchModel:
        """Reads the content of a model file; `source` names it in errors.

        Raises:
            ModelFileError: it was not written by `save`, or is damaged.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            weights = load(content)
        except SafetensorError as error:
            raise ModelFileError(f"safetensors cannot read {source} ({len(content):,} bytes): {error}.") from error
        described = Description.read(safetensors_metadata(content).get(KEY), source)
        try:
            shape = NetworkShape.read(dict(described.settings))
            with torch.device("meta"):  # takes no memory, whatever the description claims
                sketch = build_network(shape).state_dict()
            _check_sizes(sketch, weights)
            network = build_network(shape)
            network.load_state_dict(weights)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise ModelFileError(f"The weights in {source} do not fit its description: {error}.") from error
        return cls(network, shape, described.transformations, described.label)


def _check_sizes(sketch: dict[str, Any], weights: dict[str, Any]) -> None:
    """Refuses a description that weights of other names or sizes came with.

    Raises:
        ValueError: they do not fit.
    """
    if sketch.keys() != weights.keys():
        raise ValueError(f"{', '.join(sorted(sketch.keys() ^ weights.keys()))} is in one of the two only")
    for name, described in sketch.items():
        if described.shape != weights[name].shape:
            raise ValueError(f"'{name}' is {tuple(weights[name].shape)}, and described as {tuple(described.shape)}")
