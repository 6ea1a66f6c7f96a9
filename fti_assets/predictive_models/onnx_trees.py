"""XGBoost's trees as an ONNX graph: the operator TreeEnsemble of ai.onnx.ml 5, which knows sets of categories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fti_assets.predictive_models.booster import BoosterTrees, Tree, categories_of

_LESS, _MEMBER = 1, 6
_SUM = 1
_NONE = 0
OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10
"""What belongs to these operator sets; a newer one would ask for a newer runtime."""


@dataclass(slots=True)
class _Nodes:
    """The attributes of the operator, filled tree by tree. A child is a node, or a leaf, by its number among its kind."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    missing_true: list[int] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    true_is_leaf: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    false_is_leaf: list[int] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)

    def add_tree(self, tree: Tree) -> None:
        left, right = tree["left_children"], tree["right_children"]
        inner = [n for n in range(len(left)) if left[n] != -1]
        first = len(self.features)
        numbers = {n: first + position for position, n in enumerate(inner)}
        self.roots.append(first)
        if not inner:  # a tree that is one leaf: whatever the row holds, it comes to that leaf
            self._node(0, math.inf, _LESS, missing_true=True)
            self._children((tree["split_conditions"][0], None), (tree["split_conditions"][0], None))
        categories = categories_of(tree)
        for n in inner:
            missing_left = bool(tree["default_left"][n])
            # XGBoost goes left below a number, and right where the category is among the node's.
            if n in categories:
                self._node(tree["split_indices"][n], 0.0, _MEMBER, missing_true=not missing_left)
                self.members += [*map(float, categories[n]), math.nan]
                order = (right[n], left[n])
            else:
                self._node(tree["split_indices"][n], tree["split_conditions"][n], _LESS, missing_true=missing_left)
                order = (left[n], right[n])
            self._children(*((tree["split_conditions"][child], numbers.get(child)) for child in order))

    def _node(self, feature: int, split: float, mode: int, *, missing_true: bool) -> None:
        self.features.append(feature)
        self.splits.append(split)
        self.modes.append(mode)
        self.missing_true.append(int(missing_true))

    def _children(self, true: tuple[float, int | None], false: tuple[float, int | None]) -> None:
        for (weight, node), places, kinds in ((true, self.true, self.true_is_leaf), (false, self.false, self.false_is_leaf)):
            kinds.append(int(node is None))
            if node is None:
                places.append(len(self.leaves))
                self.leaves.append(weight)
            else:
                places.append(node)


def trees_to_onnx(booster: Any, columns: int, metadata: Mapping[str, str]) -> bytes:
    """The graph `matrix (rows, columns) float32 -> probability (rows, 1) float32` of a booster for binary labels.

    Args:
        booster: a fitted `xgboost.Booster` with the objective `binary:logistic`.
        columns: number of columns of the matrix.
        metadata: kept in the file.

    Raises:
        DefinitionError: the booster predicts something else.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    written = BoosterTrees.of(booster)
    nodes = _Nodes()
    for tree in written.trees:
        nodes.add_tree(tree)
    attributes = {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "post_transform": _NONE,
        "tree_roots": nodes.roots,
        "nodes_featureids": nodes.features,
        "nodes_splits": numpy_helper.from_array(np.array(nodes.splits, np.float32)),
        "nodes_modes": numpy_helper.from_array(np.array(nodes.modes, np.uint8)),
        "nodes_missing_value_tracks_true": nodes.missing_true,
        "nodes_truenodeids": nodes.true,
        "nodes_trueleafs": nodes.true_is_leaf,
        "nodes_falsenodeids": nodes.false,
        "nodes_falseleafs": nodes.false_is_leaf,
        "leaf_targetids": [0] * len(nodes.leaves),
        "leaf_weights": numpy_helper.from_array(np.array(nodes.leaves, np.float32)),
        **({"membership_values": numpy_helper.from_array(np.array(nodes.members, np.float32))} if nodes.members else {}),
    }
    graph = helper.make_graph(
        [
            helper.make_node("TreeEnsemble", ["matrix"], ["sum"], domain="ai.onnx.ml", **attributes),
            helper.make_node("Add", ["sum", "base"], ["margin"]),
            helper.make_node("Sigmoid", ["margin"], ["probability"]),
        ],
        "trees",
        [helper.make_tensor_value_info("matrix", TensorProto.FLOAT, ["rows", columns])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.array([written.base_margin], np.float32), "base")],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model, dict(metadata))
    return bytes(model.SerializeToString())
