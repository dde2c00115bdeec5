"""A model's signature, in MLflow's own form: what its inputs and outputs are called, their
types, and the parameters it takes."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

TENSOR = "tensor"

_JSON_TYPES = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
}


class BadSignature(Exception):
    """What a script or a model says of itself is not a signature; the message says why."""


class Field(NamedTuple):
    """A column, or (of type `tensor`) a tensor with `dtype` and `shape`, where -1 is any
    length. `name` is empty for the only one of a model."""

    name: str
    type: str
    required: bool = True
    dtype: str = ""
    shape: tuple[int, ...] = ()


class Parameter(NamedTuple):
    name: str
    type: str
    default: Any
    is_list: bool


class Signature(NamedTuple):
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...] = ()
    params: tuple[Parameter, ...] = ()

    @property
    def is_tensor(self) -> bool:
        return self.inputs[0].type == TENSOR

    @property
    def is_named(self) -> bool:
        return bool(self.inputs[0].name)


def of(value: Any) -> Signature:
    """From what a script names: the dictionary that stands in an MLmodel file, an object
    with such a `to_dict()`, or the path of an MLmodel file or its folder, relative to
    AZUREML_MODEL_DIR. Raises BadSignature."""
    if isinstance(value, Signature):
        return value
    if isinstance(value, str):
        return of_model(os.path.join(os.environ.get("AZUREML_MODEL_DIR", ""), value))
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, dict):
        raise BadSignature(f"a signature is not a {type(value).__name__}")
    inputs = _fields(value.get("inputs"), "inputs")
    if not inputs:
        raise BadSignature("the signature has no inputs")
    if len({field.type == TENSOR for field in inputs}) > 1:
        raise BadSignature("the signature's inputs mix columns and tensors")
    if len(inputs) > 1 and not all(field.name for field in inputs):
        raise BadSignature("the signature has several inputs, and some without a name")
    return Signature(inputs, _fields(value.get("outputs"), "outputs"), _params(value.get("params")))


def of_model(path: str) -> Signature:
    """The signature in the MLmodel file at `path`, or in the folder `path`. Raises
    BadSignature."""
    if os.path.isdir(path):
        path = os.path.join(path, "MLmodel")
    found = read_mlmodel(path).get("signature")
    if not found:
        raise BadSignature("the MLmodel file has no signature")
    return of(found)


def read_mlmodel(path: str) -> dict[str, Any]:
    """Raises BadSignature."""
    try:
        import yaml  # the model's own environment has it: MLflow needs it
    except ImportError:
        raise BadSignature(
            "reading an MLmodel file needs PyYAML, which the environment lacks; add 'pyyaml'"
        ) from None
    try:
        with open(path, encoding="utf-8") as file:
            found = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadSignature(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadSignature(f"{path} is not an MLmodel file")
    return found


def _fields(given: Any, what: str) -> tuple[Field, ...]:
    return tuple(_field(item, what) for item in _items(given, what))


def _items(given: Any, what: str) -> list[Any]:
    if isinstance(given, str):  # an MLmodel file has JSON within its YAML
        try:
            given = json.loads(given)
        except ValueError as error:
            raise BadSignature(f"the signature's {what} are not JSON: {error}") from None
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise BadSignature(f"the signature's {what} are not a list of objects")
    return given


def _field(item: dict[str, Any], what: str) -> Field:
    name = item.get("name", "")
    kind = item.get("type", "")
    name = str(name) if name is not None else ""
    if not isinstance(kind, str) or not kind:
        raise BadSignature(f"one of the signature's {what} has no type")
    if kind != TENSOR:
        return Field(name, kind, bool(item.get("required", not item.get("optional", False))))
    spec = item.get("tensor-spec")
    if not isinstance(spec, dict):
        spec = {}
    shape = spec.get("shape")
    if not isinstance(shape, (list, tuple)) or not all(isinstance(size, int) for size in shape):
        raise BadSignature(f"a tensor of the signature's {what} has no shape")
    return Field(name, TENSOR, True, str(spec.get("dtype", "")), tuple(shape))


def _params(given: Any) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(
            str(item.get("name", "")),
            str(item.get("type", "")),
            item.get("default"),
            item.get("shape") is not None,
        )
        for item in _items(given, "params")
    )


def table_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    """Each input's own schema by its name, as JSON Schema has it: a value for a column, a
    nested list for a tensor."""
    return {field.name: _field_schema(field) for field in fields}


def _field_schema(field: Field) -> dict[str, Any]:
    if field.type != TENSOR:
        return dict(_JSON_TYPES.get(field.type, {}))
    schema: dict[str, Any] = _number(field.dtype)
    for size in reversed(field.shape):
        schema = {"type": "array", "items": schema}
        if size > 0:
            schema.update(minItems=size, maxItems=size)
    return schema


def _number(dtype: str) -> dict[str, Any]:
    for start, kind in (("bool", "boolean"), ("int", "integer"), ("uint", "integer")):
        if dtype.startswith(start):
            return {"type": kind}
    return {"type": "number"} if dtype.startswith("float") else {}
