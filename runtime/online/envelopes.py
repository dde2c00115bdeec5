"""What a model with a signature takes and gives, dialect by dialect, as JSON Schema."""

from __future__ import annotations

from typing import Any

from .signature import Field, Signature, table_schema

_Schema = dict[str, Any]  # an alias is evaluated; Python 3.9 knows `dict[...]`

_INDEX: _Schema = {"type": "array", "items": {}}


def schemas(signature: Signature, *, alternatives: bool) -> tuple[_Schema, _Schema]:
    """Of the request and of the answer. Without `alternatives` (Swagger 2.0 has none) only
    Azure ML's own dialect is told."""
    inputs = signature.inputs
    predictions = _predictions(signature.outputs)
    own = _envelope("input_data", _tensor_input(inputs) if signature.is_tensor else _split(inputs))
    if signature.params:
        own["properties"]["params"] = {"type": "object"}
    if not alternatives:
        return own, predictions
    return (
        {"oneOf": [own, *_mlflow(signature), _v2("inputs")]},
        {
            "oneOf": [
                predictions,
                _envelope("predictions", predictions),
                _v2("outputs"),
            ]
        },
    )


def _mlflow(signature: Signature) -> list[_Schema]:
    inputs = signature.inputs
    if signature.is_tensor:
        tensor = _tensor_input(inputs)
        return [_envelope("instances", {"type": "array", "items": {}}), _envelope("inputs", tensor)]
    rows = {"type": "array", "items": _row(inputs)}
    return [
        _envelope("dataframe_split", _split(inputs)),
        _envelope("dataframe_records", rows),
        _envelope("instances", rows),
        _envelope("inputs", _columns(inputs)),
    ]


def _envelope(name: str, schema: _Schema) -> _Schema:
    return {"type": "object", "required": [name], "properties": {name: schema}}


def _split(fields: tuple[Field, ...]) -> _Schema:
    names = [field.name for field in fields]
    columns: _Schema = {"type": "array", "items": {"type": "string"}}
    if all(names):
        columns["example"] = names
    data = {"type": "array", "items": {"type": "array", "items": {}}}
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"columns": columns, "index": _INDEX, "data": data},
    }


def _row(fields: tuple[Field, ...]) -> _Schema:
    return {
        "type": "object",
        "required": [field.name for field in fields if field.required],
        "properties": table_schema(fields),
    }


def _columns(fields: tuple[Field, ...]) -> _Schema:
    row = _row(fields)
    lists = {name: {"type": "array", "items": kind} for name, kind in row["properties"].items()}
    return {**row, "properties": lists}


def _tensor_input(fields: tuple[Field, ...]) -> _Schema:
    known = table_schema(fields)
    if len(fields) == 1 and not fields[0].name:
        return dict(known[""])
    return {"type": "object", "required": list(known), "properties": known}


def _predictions(outputs: tuple[Field, ...]) -> _Schema:
    known = table_schema(outputs)
    if len(outputs) == 1 and outputs[0].shape and not outputs[0].name:
        return dict(known[""])
    if outputs and all(field.name and not field.shape for field in outputs):
        return {"type": "array", "items": {"type": "object", "properties": known}}
    return {}


def _v2(name: str) -> _Schema:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string"},
            "data": {"type": "array", "items": {}},
        },
    }
    return {
        "type": "object",
        "required": [name],
        "properties": {"id": {"type": "string"}, name: {"type": "array", "items": tensor}},
    }
