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
    codes = np.where(matrix > 0, np.minimum(matrix, last), np.float32(0)).astype(np.uint32)
    rows = np.arange(len(matrix))
    at = np.repeat(roots[:, None], len(rows), axis=1)
    for _ in range(int(depths.max(initial=0))):
        one = nodes[at]
        value, code = matrix[rows, one["feature"]], codes[rows, one["feature"]]
        is_member = words[one["word"] + (code >> 6)] >> (code & 63) & 1 > 0
        is_left = np.where(np.isnan(value), one["flags"] & 1 > 0, (value < one["split"]) | is_member)
        at = one["left"] + (~is_left & (one["flags"] >> 1 > 0))
    found[:] = np.add.accumulate(np.vstack([np.full(len(rows), base), nodes["split"][at]]), axis=0)[-1]
