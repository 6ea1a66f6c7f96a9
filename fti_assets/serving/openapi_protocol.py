"""The part of the description that is the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_TAG = "Open Inference Protocol v2"
_TENSOR = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string", "enum": ["BOOL", "INT32", "INT64", "FP32", "FP64", "BYTES"]},
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    },
    "required": ["name", "shape", "datatype"],
}
_REQUEST = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    },
    "required": ["inputs"],
}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def protocol_paths(models: Sequence[str]) -> dict[str, Any]:
    """The paths of the protocol, for some models."""
    paths: dict[str, Any] = {
        "/v2": {"get": _get("What the server can do.")},
        "/v2/health/live": {"get": _get("Whether the server runs.")},
        "/v2/health/ready": {"get": _get("Whether every model answers.", "503")},
    }
    for model in models:
        paths[f"/v2/models/{model}"] = {"get": _get("The model's inputs and outputs.")}
        paths[f"/v2/models/{model}/ready"] = {"get": _get("Whether the model answers.", "503")}
        paths[f"/v2/models/{model}/infer"] = {"post": _infer(model)}
    return paths


def _infer(model: str) -> dict[str, Any]:
    return {
        "tags": [_TAG],
        "summary": f"Predict by tensors: a column of {model} is an input of shape [rows].",
        "operationId": f"infer_{model}",
        "security": [{}, {"key": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
        "responses": _answers("400", "401", "408", "413", "415", "422", "503"),
    }


def _get(said: str, *errors: str) -> dict[str, Any]:
    return {"tags": [_TAG], "summary": said, "responses": _answers(*errors)}


def _answers(*errors: str) -> dict[str, Any]:
    good = {"200": {"description": "OK.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    bad = {status: {"description": "An error.", "content": {"application/json": {"schema": _ERROR}}} for status in errors}
    return {**good, **bad}
