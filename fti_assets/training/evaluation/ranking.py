"""Labels and scores, sorted once, of which figures under any weights of the rows are computed in linear time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fti_assets.transformations import FloatArray

IntArray = npt.NDArray[np.int64]
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Rows by score, the highest first.

    Attributes:
        truth: the label of each row, 0 or 1.
        scores: the score of each row.
        order: where each row stood before it was ranked.
        last: position of the last row of each run of equal scores; None where all scores differ.
    """

    truth: FloatArray
    scores: FloatArray
    order: IntArray
    last: IntArray | None

    @classmethod
    def of(cls, truth: FloatArray, scores: FloatArray) -> Ranking:
        """Ranks the rows; their order among equal scores is kept."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        ends = np.flatnonzero(np.diff(ranked, append=-np.inf))
        return cls(truth[order], ranked, order, None if len(ends) == len(ranked) else ends)

    @property
    def distinct(self) -> FloatArray:
        """The distinct scores, the highest first."""
        return self.scores if self.last is None else self.scores[self.last]

    def cumulative(self, weights: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """The weight of positives and of negatives at or above each distinct score, the highest first, led by zero.

        Args:
            weights: of the rows as they are ranked; 1 for each unless given.
        """
        positives = np.zeros(len(self.truth) + 1)
        total = np.zeros(len(self.truth) + 1)
        np.cumsum(self.truth if weights is None else self.truth * weights, out=positives[1:])
        np.cumsum(np.ones(len(self.truth)) if weights is None else weights, out=total[1:])
        if self.last is not None:
            ends = np.append(0, self.last + 1)
            positives, total = positives[ends], total[ends]
        return positives, total - positives


def area(positives: FloatArray, negatives: FloatArray) -> float:
    """The area under the ROC curve, trapezoids between distinct scores: ties count half (Mann-Whitney). NaN for one class."""
    pairs = positives[-1] * negatives[-1]
    return float(np.trapezoid(positives, negatives) / pairs) if pairs else float("nan")


def average_precision(positives: FloatArray, negatives: FloatArray) -> float:
    """The sum over distinct scores of recall gained times precision, as scikit-learn defines it; NaN without a positive."""
    if not positives[-1]:
        return float("nan")
    precision = positives[1:] / np.maximum(positives[1:] + negatives[1:], _TINY)  # 0 where nothing is selected
    return float((np.diff(positives) * precision).sum() / positives[-1])  # np.dot would start threads, which costs more
