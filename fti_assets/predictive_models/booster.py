"""What XGBoost writes of a booster: its trees, and what every row starts from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fti_assets.errors import DefinitionError

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BoosterTrees:
    """The trees of a booster for binary labels.

    Attributes:
        trees: as XGBoost writes them: lists by node. A node without children has its weight in place of a split. A row goes left
            below a split, and right where its category is among the node's.
        base_margin: what every row starts from, in log-odds.
    """

    trees: Sequence[Tree]
    base_margin: float

    @staticmethod
    def of(booster: Any) -> BoosterTrees:
        """The trees of a fitted `xgboost.Booster`.

        Raises:
            DefinitionError: it is not of trees, or predicts something else than one probability.
        """
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        kind, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
        if (kind, objective) != ("gbtree", "binary:logistic"):
            raise DefinitionError(
                f"A booster of kind '{kind}' with the objective '{objective}' cannot be translated.",
                next_step="'gbtree' with 'binary:logistic' can: serve it as it is.",
            )
        share = float(learner["learner_model_param"]["base_score"].strip("[]"))  # kept as a probability
        return BoosterTrees(learner["gradient_booster"]["model"]["trees"], math.log(share / (1 - share)))


def categories_of(tree: Tree) -> dict[int, list[int]]:
    """The categories of each node that splits by them."""
    pieces = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: tree["categories"][start : start + size] for node, start, size in pieces}
