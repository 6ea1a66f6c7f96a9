"""A tabular network as an ONNX graph, built layer by layer from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fti_assets.predictive_models.onnx_trees import IR_VERSION, OPSETS
from fti_assets.predictive_models.torch import TorchModel

_EPSILON = 1e-5
"""Of torch's LayerNorm."""


class _Graph:
    """Nodes and constants of a graph that grows by one operation at a time."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: npt.ArrayLike, kind: npt.DTypeLike) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def then(self, operation: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name


def network_to_onnx(model: TorchModel, metadata: Mapping[str, str]) -> bytes:
    """The graph `matrix (rows, columns) float32 -> probability (rows, 1) float32` of a network; `metadata` is kept in the file."""
    from onnx import TensorProto, helper

    weights = {name: tensor.detach().cpu().numpy() for name, tensor in model.network.state_dict().items()}
    graph = _Graph()
    value = graph.then("Concat", *_inputs(graph, model, weights), axis=1)
    for number in range(len(model.shape.hidden)):
        linear, norm = f"layers.{4 * number}", f"layers.{4 * number + 1}"  # then an activation and a dropout
        value = _linear(graph, value, weights, linear)
        scale, shift = (graph.constant(weights[f"{norm}.{name}"], np.float32) for name in ("weight", "bias"))
        value = graph.then("LayerNormalization", value, scale, shift, axis=-1, epsilon=_EPSILON)
        value = graph.then("Mul", value, graph.then("Sigmoid", value))
    logit = _linear(graph, value, weights, f"layers.{4 * len(model.shape.hidden)}")
    graph.nodes.append(helper.make_node("Sigmoid", [logit], ["probability"]))
    made = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info("matrix", TensorProto.FLOAT, ["rows", len(model.transformations.columns)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
        graph.constants,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    content = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(content, dict(metadata))
    return bytes(content.SerializeToString())


def _inputs(graph: _Graph, model: TorchModel, weights: Mapping[str, Any]) -> list[str]:
    """The columns of numbers, then the embedding of each category; a missing one is number 0."""
    parts = [graph.then("Gather", "matrix", graph.constant(model.shape.numbers, np.int64), axis=1)]
    one, zero = graph.constant(1.0, np.float32), graph.constant(0.0, np.float32)
    for number, (position, _) in enumerate(model.shape.categories):
        code = graph.then("Gather", "matrix", graph.constant(position, np.int64), axis=1)
        known = graph.then("Where", graph.then("IsNaN", code), zero, graph.then("Add", code, one))
        row = graph.then("Cast", known, to=7)  # int64
        table = graph.constant(weights[f"embeddings.{number}.weight"], np.float32)
        parts.append(graph.then("Gather", table, row, axis=0))
    return parts


def _linear(graph: _Graph, value: str, weights: Mapping[str, Any], name: str) -> str:
    weight = graph.constant(weights[f"{name}.weight"], np.float32)
    bias = graph.constant(weights[f"{name}.bias"], np.float32)
    return graph.then("Gemm", value, weight, bias, transB=1)
