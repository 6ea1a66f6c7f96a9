"""XGBoost's trees as arrays that compiled code walks: the quickest way here to predict one row, and hundreds.

It gives what XGBoost gives within 1e-6, and needs no XGBoost: see docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fti_assets.errors import DefinitionError
from fti_assets.predictive_models.booster import BoosterTrees, Tree, categories_of
from fti_assets.predictive_models.description import KEY, Description, safetensors_metadata
from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.predictive_models.predictive_model import PredictiveModel
from fti_assets.predictive_models.xgboost import XGBoostModel
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, Rows, RowsError

NODE = np.dtype([("split", "f4"), ("cell", "u4"), ("left", "u4"), ("word", "u4")])
"""A node, of 16 bytes, as it is walked: four share a line of the processor's memory, and two children stand side by side.

A row goes left if the value of its cell is below `split`, or if the bit of the cell's category is set: bit `category % 64` of the
word `word + category // 64`. Each node has both, so that none asks of which kind it is: one that splits by categories has minus
infinity as `split`, one that splits by numbers has words without a bit. Each column makes two cells, which differ where its value
is missing: `2 * column` goes left then, `2 * column + 1` right. The right child stands behind the left one. A leaf has its weight
as `split`, and words of bits only: so it is its own left child.
"""
MISSING_RIGHT = 2
"""How far before the end the category stands that goes right everywhere, for missing values; the last one goes left everywhere."""
_BITS = 64
_ALL = (1 << _BITS) - 1
_MOST_DEEP = 64
_MOST_WORDS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class ForestModel:
    """Trees for binary labels, with what they need to read raw rows.

    Attributes:
        nodes: of all trees, each tree's after another's.
        roots: the first node of each tree.
        depths: for each tree how many steps lead from its root to its deepest leaf.
        words: the categories for which rows go left, as bits: first of nodes that split by numbers, then of leaves.
        node_words: how many words each node has; a category beyond them counts as their last.
        base_margin: what every row starts from, in log-odds.
        transformations: fitted on the training split.
        label: name of what is predicted.
    """

    nodes: npt.NDArray[Any] = field(repr=False)
    roots: npt.NDArray[np.uint32] = field(repr=False)
    depths: npt.NDArray[np.uint32] = field(repr=False)
    words: npt.NDArray[np.uint64] = field(repr=False)
    node_words: int
    base_margin: float
    transformations: FittedTransformations
    label: str

    FILE: ClassVar[str] = "model.forest"

    def predict(self, rows: Rows) -> FloatArray:
        return self.predict_matrix(self.transformations.matrix(rows))

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already.

        Raises:
            RowsError: the matrix has another number of columns than the transformations make.
        """
        from fti_assets.predictive_models.forest_walk import margins  # loads numba (a second with the first call)

        return self._probabilities(matrix, margins)

    def predict_matrix_by_numpy(self, matrix: MatrixArray) -> FloatArray:
        """The same, bit for bit, without compiled code: at once in a new process, and later several times as slow."""
        from fti_assets.predictive_models.forest_steps import margins

        return self._probabilities(matrix, margins)

    def _probabilities(self, matrix: MatrixArray, margins: Callable[..., None]) -> FloatArray:
        if matrix.shape[1] != len(self.transformations.columns):  # the compiled code looks at no borders
            raise RowsError(f"The matrix has {matrix.shape[1]} columns, but the model reads {len(self.transformations.columns)}.")
        known = np.require(matrix, np.float32, ["C", "W"])  # for other arrays the code would be compiled again
        found, last = np.empty(len(known), np.float32), np.float32(self.node_words * _BITS - 1)
        margins(known, self.nodes, self.roots, self.depths, self.words, last, np.float32(self.base_margin), found)
        return 1.0 / (1.0 + np.exp(-found.astype(np.float64)))

    def save(self, folder: Path) -> Path:
        from safetensors.numpy import save

        settings = {"base_margin": self.base_margin, "node_words": self.node_words}
        described = Description(transformations=self.transformations, label=self.label, settings=settings)
        columns = {name: np.ascontiguousarray(self.nodes[name]) for name in NODE.names or ()}
        arrays = {**columns, "roots": self.roots, "depths": self.depths, "words": self.words}
        path = folder / self.FILE
        path.write_bytes(save(arrays, metadata={KEY: described.text}))
        return path

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> ForestModel:
        """Reads the content of a model file; `source` names it in errors.

        Raises:
            ModelFileError: it was not written by `save`, or is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(content)
        except SafetensorError as error:
            raise ModelFileError(f"safetensors cannot read {source} ({len(content):,} bytes): {error}.") from error
        described = Description.read(safetensors_metadata(content).get(KEY), source)
        try:
            nodes = np.empty(len(arrays["split"]), NODE)
            for name in NODE.names or ():
                nodes[name] = _typed(arrays, name, NODE[name])
            roots, depths, words = (
                _typed(arrays, name, np.dtype(kind)) for name, kind in (("roots", "u4"), ("depths", "u4"), ("words", "u8"))
            )
            base_margin, node_words = float(described.settings["base_margin"]), int(described.settings["node_words"])
            _check(nodes, roots, depths, words, node_words, len(described.transformations.columns))
        except (KeyError, ValueError, TypeError) as error:
            raise ModelFileError(
                f"The trees in {source} do not fit together: {error}.", next_step="Restore the file from a backup."
            ) from error
        return cls(nodes, roots, depths, words, node_words, base_margin, described.transformations, described.label)


def to_forest(model: PredictiveModel) -> ForestModel:
    """The trees of a model as arrays; predictions agree within 1e-6.

    Raises:
        DefinitionError: it is no model of trees, or one that predicts something else than a probability.
    """
    if not isinstance(model, XGBoostModel):
        raise DefinitionError(f"A {type(model).__name__} has no trees that can be walked.", next_step="An XGBoostModel has.")
    booster = BoosterTrees.of(model.booster)
    made = _Forest(booster.trees)
    return made.model(booster.base_margin, model.transformations, model.label)


class _Forest:
    """Nodes of trees, added tree by tree."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        self._nodes: list[npt.NDArray[Any]] = []
        self._roots: list[int] = []
        self._depths: list[int] = []
        self._count = 0
        sets = [categories_of(tree) for tree in trees]
        most = max((max(categories) for one in sets for categories in one.values()), default=0)
        self._node_words = (most + MISSING_RIGHT) // _BITS + 1  # so that the last two bits are of categories that no node has
        self._words: list[int] = [0] * self._node_words + [_ALL] * self._node_words
        for tree, categories in zip(trees, sets, strict=True):
            self._add(tree, categories)

    def _add(self, tree: Tree, categories: Mapping[int, Sequence[int]]) -> None:
        order, depth = _by_level(tree["left_children"], tree["right_children"])
        left, first = np.array(tree["left_children"])[order], self._count
        places = np.empty(len(tree["left_children"]), np.int64)
        places[order] = first + np.arange(len(order))
        nodes, is_leaf = np.zeros(len(order), NODE), left == -1
        nodes["split"] = np.array(tree["split_conditions"], np.float32)[order]
        missing_right = ~np.array(tree["default_left"], bool)[order]
        nodes["cell"] = np.where(is_leaf, 0, 2 * np.array(tree["split_indices"])[order] + missing_right)
        nodes["left"] = np.where(is_leaf, places[order], places[left])
        nodes["word"] = np.where(is_leaf, self._node_words, 0)
        for node, some in categories.items():
            one = nodes[places[node] - first]
            one["split"], one["word"] = -np.inf, len(self._words)
            right = sum(1 << category for category in (*some, self._node_words * _BITS - MISSING_RIGHT))
            self._words += [~(right >> _BITS * n) & _ALL for n in range(self._node_words)]
        self._nodes.append(nodes)
        self._roots.append(first)
        self._depths.append(depth)
        self._count += len(nodes)

    def model(self, base_margin: float, transformations: FittedTransformations, label: str) -> ForestModel:
        return ForestModel(
            nodes=np.concatenate([np.zeros(0, NODE), *self._nodes]),
            roots=np.array(self._roots, np.uint32),
            depths=np.array(self._depths, np.uint32),
            words=np.array(self._words, np.uint64),
            node_words=self._node_words,
            base_margin=base_margin,
            transformations=transformations,
            label=label,
        )


def _by_level(left: Sequence[int], right: Sequence[int]) -> tuple[list[int], int]:
    """The nodes of a tree from the root on, level by level, two children side by side; and how many levels are below the root."""
    order, level, depth = [0], [0], 0
    while level := [child for node in level if left[node] != -1 for child in (left[node], right[node])]:
        order += level
        depth += 1
    return order, depth


def _typed(arrays: dict[str, Any], name: str, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array of one dimension that may be written to, which compiled code is made for."""
    array = arrays[name]
    if array.dtype != kind or array.ndim != 1:
        raise ValueError(f"'{name}' is of {array.dtype} and has {array.ndim} dimensions")
    return np.array(array)


def _check(
    nodes: npt.NDArray[Any],
    roots: npt.NDArray[np.uint32],
    depths: npt.NDArray[np.uint32],
    words: npt.NDArray[np.uint64],
    node_words: int,
    columns: int,
) -> None:
    """Sees that no walk leads out of the arrays: the code that walks does not look.

    Raises:
        ValueError: one would.
    """
    if len(roots) != len(depths):
        raise ValueError(f"there are {len(roots)} roots and {len(depths)} depths")
    if not 0 < node_words < _MOST_WORDS:
        raise ValueError(f"each node has {node_words} words")
    if (words[node_words : 2 * node_words] != _ALL).any():
        raise ValueError("the words of leaves do not go left")
    is_leaf = (nodes["word"] == node_words) & (nodes["left"] == np.arange(len(nodes)))
    right = nodes["left"].astype(np.int64) + ~is_leaf
    for what, values, most in (
        ("a tree's depth", depths, _MOST_DEEP),
        ("a root", roots, len(nodes) - 1),
        ("a right child", right, len(nodes) - 1),
        ("a cell", nodes["cell"], 2 * columns - 1),
        ("a word", nodes["word"], len(words) - node_words),
    ):
        if len(values) and values.max() > most:
            raise ValueError(f"{what} is {values.max()}; {most} is the last")
