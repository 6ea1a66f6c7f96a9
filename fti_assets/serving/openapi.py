"""The description of the server by OpenAPI, made of the contracts: what may be asked, with types, units and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fti_assets.serving.column_checks import LARGEST_FLOAT, LARGEST_INT, LONGEST_TEXT
from fti_assets.serving.settings import Limits
from fti_assets.version import code_version

if TYPE_CHECKING:
    from fti_assets.serving.served_model import ServedModel
    from fti_assets.vocabulary import Column

Schema = dict[str, Any]

_TYPES: Mapping[str, Schema] = {
    "float": {"type": "number", "minimum": -LARGEST_FLOAT, "maximum": LARGEST_FLOAT},
    "int": {"type": "integer", "format": "int64", "minimum": -LARGEST_INT - 1, "maximum": LARGEST_INT},
    "bool": {"type": "boolean"},
    "string": {"type": "string", "maxLength": LONGEST_TEXT},
    "timestamp": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
_SAMPLES: Mapping[str, Any] = {
    "float": 1.5,
    "int": 1,
    "bool": True,
    "string": "A",
    "timestamp": "2013-06-01T15:00:00Z",
    "date": "2013-06-01",
}
_TIME: Schema = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "Features are as known at this time; the present, as /readyz says it, unless given.",
}
"""The status of each source that gave nothing."""
_MISSING: Schema = {
    "type": "object",
    "description": "Sources of features that gave nothing, and why.",
    "additionalProperties": {"type": "string", "enum": ["missing", "expired", "future", "no_key"]},
}
_REFUSALS = {
    "400": "The body is no JSON.",
    "401": "There is no key that may ask.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "The body is not said to be JSON.",
    "422": "A value does not fit the contract; the error says which, and what is expected.",
    "503": "No version answers yet, or there is too much to do.",
}


def description(system: str, models: Sequence[ServedModel], columns: Mapping[str, Sequence[Column]], limits: Limits) -> Schema:
    """The whole description.

    Args:
        system: name of the system.
        models: that are served.
        columns: for each model those that a request may give.
        limits: of the server.
    """
    paths: Schema = {}
    schemas: Schema = {"Error": _error(), "Explanation": _explanation()}
    for model in models:
        schemas[f"{model.name}_row"] = _row(model, columns[model.name])
        schemas[f"{model.name}_request"] = _request(model, limits)
        schemas[f"{model.name}_answer"] = _answer(model)
        paths[f"/predict/{model.name}"] = {"post": _predict(model)}
        paths[f"/models/{model.name}"] = {"get": _get("What can be asked of the model, and which version answers.", "models")}
        paths[f"/examples/{model.name}"] = {"get": _examples(model)}
    from fti_assets.serving.openapi_protocol import protocol_paths

    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{system}: predictions",
            "version": code_version(),
            "description": "Predictions of one entity or of many, from features as known at the moment of asking.",
        },
        "paths": {**paths, **protocol_paths([model.name for model in models]), **_general()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "Where the server asks for one."}},
        },
    }


def column_schema(column: Column, *, nullable: bool) -> Schema:
    """The schema of a value of a column."""
    made = dict(_TYPES[column.type])
    if nullable:
        made["type"] = [made["type"], "null"]
    said = [column.description, f"In {column.unit}." if column.unit else ""]
    text = " ".join(part for part in said if part)
    return {**made, "description": text} if text else made


def sample_row(model: ServedModel) -> dict[str, Any]:
    """A row with made-up keys, which is answered: of what is not known everything is missing."""
    return {key.name: _SAMPLES[key.type] for key in model.contract.view.spine.entity.keys}


def _row(model: ServedModel, columns: Sequence[Column]) -> Schema:
    keys = model.contract.view.spine.entity.key_names
    said = {column.name: column_schema(column, nullable=column.name not in keys) for column in columns}
    return {
        "type": "object",
        "description": (
            f"An entity ({', '.join(keys)}), by its keys. What else is given takes precedence over what the online store has."
        ),
        "properties": {**said, "request_time": _TIME},
        "required": list(keys),
        "additionalProperties": False,
        "examples": [sample_row(model)],
    }


def _request(model: ServedModel, limits: Limits) -> Schema:
    row = {"$ref": f"#/components/schemas/{model.name}_row"}
    flags = {
        "request_time": _TIME,
        "explain": {
            "type": "boolean",
            "default": False,
            "description": f"Reasons for each prediction, in log-odds, of up to {limits.explained_rows} rows.",
        },
        "features": {"type": "boolean", "default": False, "description": "The features as used, where from and how old."},
    }
    one = {"properties": {"row": row, **flags}, "required": ["row"]}
    many = {
        "properties": {"rows": {"type": "array", "items": row, "minItems": 1, "maxItems": limits.rows}, **flags},
        "required": ["rows"],
    }
    kinds = [{"type": "object", **kind, "additionalProperties": False} for kind in (one, many)]
    return {"oneOf": kinds, "examples": [{"row": sample_row(model), "explain": False}]}


def _answer(model: ServedModel) -> Schema:
    features = {column.name: column_schema(column, nullable=True) for column in model.contract.view.feature_columns}
    source = {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["found", "missing", "expired", "future", "given", "no_key"]},
            "event_time": {"type": ["string", "null"], "format": "date-time"},
            "age_seconds": {"type": ["number", "null"]},
            "features": {"type": "array", "items": {"type": "string"}},
        },
    }
    prediction = {
        "type": "object",
        "properties": {
            "prediction": {"type": "number", "description": model.contract.description},
            "model_version": {"type": "integer"},
            "role": {"type": "string", "enum": ["champion", "challenger"]},
            "missing": _MISSING,
            "request_time": {"type": "string", "format": "date-time"},
            "features": {"type": "object", "properties": features},
            "given": {"type": "array", "items": {"type": "string"}, "description": "Columns that came with the request."},
            "sources": {"type": "object", "additionalProperties": source},
            "explanation": {"$ref": "#/components/schemas/Explanation"},
        },
        "required": ["prediction", "model_version", "role", "missing"],
    }
    return {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "request_id": {"type": "string", "description": "In the inference log rows are request_id.0, request_id.1, ..."},
            "predictions": {"type": "array", "items": prediction},
        },
        "required": ["model", "request_id", "predictions"],
    }


def _explanation() -> Schema:
    return {
        "type": "object",
        "description": "SHAP values in log-odds: base_value and contributions sum to the logit of the prediction.",
        "properties": {
            "base_value": {"type": "number"},
            "contributions": {"type": "object", "additionalProperties": {"type": "number"}},
            "logit": {"type": "number"},
        },
        "required": ["base_value", "contributions", "logit"],
    }


def _error() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {"what": text, "where": text, "expected": text, "next": text},
                "required": ["what", "where", "expected", "next"],
            }
        },
        "required": ["error"],
    }


def _predict(model: ServedModel) -> Schema:
    sample = sample_row(model)
    examples = {
        "one": {"summary": "One row", "value": {"row": sample}},
        "explained": {"summary": "With features and reasons", "value": {"row": sample, "features": True, "explain": True}},
        "many": {"summary": "Several rows", "value": {"rows": [sample, sample]}},
    }
    schema = {"$ref": f"#/components/schemas/{model.name}_request"}
    answer = {"$ref": f"#/components/schemas/{model.name}_answer"}
    return {
        "tags": ["predictions"],
        "summary": f"Predict {model.contract.view.label_column.name}",
        "description": model.contract.description,
        "operationId": f"predict_{model.name}",
        "security": [{}, {"key": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}},
        "responses": {"200": _json("The predictions.", answer), **refusals()},
    }


def _examples(model: ServedModel) -> Schema:
    limit = {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
        "description": "Rows at most.",
    }
    said = _get(f"Rows of {model.contract.view.spine.versioned_name} that became known last.", "models", "401", "404", "422", "503")
    return {**said, "security": [{}, {"key": []}], "parameters": [limit]}


def refusals(*statuses: str) -> Schema:
    """The answers with errors; all of them unless some are named."""
    known = {**_REFUSALS, "404": "There is no such thing."}
    return {status: _json(known[status], {"$ref": "#/components/schemas/Error"}) for status in statuses or _REFUSALS}


def _json(said: str, schema: Schema) -> Schema:
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _get(said: str, tag: str, *errors: str) -> Schema:
    answers = {"200": _json("OK.", {"type": "object"})}
    return {"tags": [tag], "summary": said, "responses": {**answers, **(refusals(*errors) if errors else {})}}


def _general() -> Schema:
    text = {"200": {"description": "OK.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    ready = _get("Whether every model answers, and how it stands.", "health")
    ready["responses"]["503"] = _json("Not yet; the answer says why.", {"type": "object"})
    return {
        "/models": {"get": _get("The models.", "models")},
        "/healthz": {"get": _get("Whether the server runs.", "health")},
        "/readyz": {"get": ready},
        "/metrics": {"get": {"tags": ["health"], "summary": "For Prometheus.", "responses": text}},
    }
