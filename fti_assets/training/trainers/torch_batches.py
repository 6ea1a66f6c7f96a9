"""Batches of a split in random order, as tensors on a device, with only a part of the split in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fti_assets.training.matrix import SplitMatrix, read_ahead
from fti_assets.transformations import MatrixArray

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

BLOCK_ROWS = 8_192
"""Rows that lie together on disk and are read together; blocks are drawn at random."""
BUFFER_ROWS = 1_048_576
"""Rows of one buffer, out of which batches are drawn at random; the next one is read while the batches of one are used."""


@dataclass(frozen=True, slots=True, eq=False)
class _Buffer:
    """Rows of several blocks, and the order in which they are used."""

    values: MatrixArray
    labels: NDArray[np.float32]
    order: NDArray[np.int64]


def shuffled(
    rows: SplitMatrix,
    batch_rows: int,
    draw: np.random.Generator,
    *,
    device: str = "cpu",
    block_rows: int = BLOCK_ROWS,
    buffer_rows: int = BUFFER_ROWS,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Every row once, in random order: float32 tensors on `device`, features of shape (rows, columns) and labels of (rows,).

    Blocks of rows are drawn at random into a buffer, out of which rows are drawn at random: a split that fits into one buffer
    is shuffled as a whole. A buffer goes to the device as a whole, since a copy of each batch would cost more than its step.
    """
    import torch

    for buffer in read_ahead(_buffers(rows, draw, block_rows, buffer_rows)):
        values, labels = torch.from_numpy(buffer.values).to(device), torch.from_numpy(buffer.labels).to(device)
        order = torch.from_numpy(buffer.order).to(device)
        for start in range(0, len(order), batch_rows):
            chosen = order[start : start + batch_rows]
            yield values[chosen], labels[chosen]


def _buffers(rows: SplitMatrix, draw: np.random.Generator, block_rows: int, buffer_rows: int) -> Iterator[_Buffer]:
    starts = draw.permutation(np.arange(0, len(rows), block_rows))
    at_once = max(1, buffer_rows // block_rows)
    for first in range(0, len(starts), at_once):
        spans = [slice(int(start), int(start) + block_rows) for start in starts[first : first + at_once]]
        labels = np.concatenate([rows.labels[span] for span in spans]).astype(np.float32)
        yield _Buffer(np.concatenate([rows.values[span] for span in spans]), labels, draw.permutation(len(labels)))
