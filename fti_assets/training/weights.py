"""Weights of rows by their class."""

from __future__ import annotations

from typing import Literal

from fti_assets.errors import DefinitionError
from fti_assets.transformations import FloatArray

ClassWeight = Literal["balanced"] | float
"""Weight of a positive row beside a negative one; `balanced` gives both classes the same weight together."""


def positive_weight(weight: ClassWeight, labels: FloatArray) -> float:
    """How much a positive row counts for each negative one.

    Raises:
        DefinitionError: the weight is not above 0.
    """
    if weight == "balanced":
        positives = float(labels.sum())
        negatives = len(labels) - positives
        return negatives / positives if positives and negatives else 1.0  # of one class alone there is nothing to balance
    if not isinstance(weight, (int, float)) or weight <= 0:
        raise DefinitionError(f"The class weight is {weight!r}.", next_step="Give 'balanced', or a number above 0.")
    return float(weight)
