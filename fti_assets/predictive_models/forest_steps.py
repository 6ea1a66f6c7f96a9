"""The walk through the trees of a forest by numpy, for a process whose compiled code is not loaded yet (`forest_walk`).

It takes the same steps, of all rows in all trees at once, and adds up in the same order: results are the same, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def margins(
    matrix: Array, nodes: Array, roots: Array, depths: Array, words: Array, last: np.float32, base: np.float32, found: Array
) -> None:
    """Writes what the trees say of each row of a matrix into `found`, in log-odds; see `forest_walk.margins`."""
    known, is_missing = np.where(matrix < last - 1, np.maximum(matrix, 0), last), np.isnan(matrix)
    values = _cells(matrix, is_missing, -np.inf, np.inf)
    categories = _cells(known, is_missing, last, last - 1).astype(np.uint32)
    rows = np.arange(len(matrix))
    at = np.repeat(roots[:, None], len(rows), axis=1)
    for _ in range(int(depths.max(initial=0))):
        one = nodes[at]
        value, category = values[rows, one["cell"]], categories[rows, one["cell"]]
        is_member = words[one["word"] + (category >> 6)] >> (category & 63) & 1 > 0
        at = one["left"] + ~((value < one["split"]) | is_member)
    found[:] = np.add.accumulate(np.vstack([np.full(len(rows), base), nodes["split"][at]]), axis=0)[-1]


def _cells(of_columns: Array, is_missing: Array, left: Any, right: Any) -> Array:
    """For each column two cells, which differ where its value is missing; see `forest.NODE`."""
    cells = np.repeat(of_columns, 2, axis=1)
    cells[:, ::2][is_missing] = left
    cells[:, 1::2][is_missing] = right
    return cells
