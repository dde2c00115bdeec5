"""The dialects in which a model with a signature is asked, all on one route; each is answered
in its own.

- Azure ML: `input_data`, a split table, a tensor or named tensors; answered with the
  predictions, bare.
- MLflow: `dataframe_split`, `dataframe_records`, `instances` or `inputs`; answered with
  `{"predictions": ...}`.
- Open Inference Protocol V2: `inputs`, a list of tensors with `name`, `shape`, `datatype` and
  `data`; answered with `{"model_name": ..., "outputs": [...]}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..server.json_text import JsonText, written
from . import typed
from .signature import Signature
from .typed import BadValue

_MLFLOW = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ENVELOPES = ("input_data", *_MLFLOW)

_TO_V2 = {
    "bool": "BOOL",
    "boolean": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "integer": "INT32",
    "int64": "INT64",
    "long": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float": "FP32",
    "float64": "FP64",
    "double": "FP64",
}
_V2_TYPES = frozenset(_TO_V2.values()) | {"BYTES", "BF16"}


class Question:
    """A request's body, understood: the data and parameters for the model, and how to write
    what it says."""

    def __init__(self, data: Any, params: dict[str, Any], write: Callable[[Any], Any]) -> None:
        self.data = data
        self.params = params
        self._write = write

    def answer(self, result: Any) -> JsonText:
        """Raises TypeError, ValueError and RecursionError for what JSON cannot hold."""
        return written(self._write(result))


def read(body: bytes, signature: Signature, model: str) -> Question:
    """Raises BadValue."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        told = f"the body could not be decoded as JSON: {error}" if body else "the body is empty"
        raise BadValue(told) from None
    if not isinstance(value, dict):
        raise BadValue(f"the body is not a JSON object; {_offer()}")
    found = [name for name in _ENVELOPES if name in value]
    if len(found) != 1:
        got = f"has both {' and '.join(found)}" if found else "has none of these"
        raise BadValue(f"the body {got}; {_offer()}")
    name = found[0]
    if name == "inputs" and _is_v2(value["inputs"]):
        return _read_v2(value, signature, model)
    params = typed.parameters(value.get("params"), signature.params)
    try:
        data = _READERS[name](value[name], signature)
    except BadValue as error:
        raise BadValue(f"{name}: {error}") from None
    return Question(data, params, _bare if name == "input_data" else _predictions)


def _offer() -> str:
    return f"it needs one of {', '.join(_ENVELOPES)}"


def _bare(result: Any) -> Any:
    return typed.plain(result)


def _predictions(result: Any) -> Any:
    return {"predictions": typed.plain(result)}


# -- Azure ML and MLflow ----------------------------------------------------------------------


def _input_data(value: Any, signature: Signature) -> Any:
    if isinstance(value, dict):
        if _is_split(value):
            return _split(value, signature)
        return typed.from_named(value, signature)
    return typed.from_tensor(value, signature)


def _is_split(value: dict[str, Any]) -> bool:
    return "data" in value and not value.keys() - {"columns", "index", "data"}


def _split(value: Any, signature: Signature) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise BadValue("a split table is an object with 'columns', 'data' and maybe 'index'")
    rows, index = value["data"], value.get("index")
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise BadValue("'index' is a list as long as 'data'")
    if signature.is_tensor:
        return typed.from_tensor(rows, signature)
    table = typed.from_rows(rows, signature, value.get("columns"))
    if index is not None:
        try:
            table.index = index
        except (TypeError, ValueError) as error:
            raise BadValue(f"'index' does not fit: {error}") from None
    return table


def _records(value: Any, signature: Signature) -> Any:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BadValue("a list of objects is needed, one for each row")
    return _rows(value, signature)


def _instances(value: Any, signature: Signature) -> Any:
    if not isinstance(value, list):
        raise BadValue("a list is needed, one item for each row")
    if value and all(isinstance(row, dict) for row in value):
        return _rows(value, signature)
    return typed.from_tensor(value, signature)


def _rows(rows: list[dict[str, Any]], signature: Signature) -> Any:
    if not signature.is_tensor:
        return typed.from_rows(rows, signature)
    names = dict.fromkeys(name for row in rows for name in row)
    if any(name not in row for row in rows for name in names):
        raise BadValue("every row has the same names")
    return typed.from_named({name: [row[name] for row in rows] for name in names}, signature)


def _inputs(value: Any, signature: Signature) -> Any:
    if isinstance(value, dict):
        return typed.from_named(value, signature)
    return typed.from_tensor(value, signature)


_READERS: dict[str, Callable[[Any, Signature], Any]] = {
    "input_data": _input_data,
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


# -- Open Inference Protocol V2 -----------------------------------------------------------------


def _is_v2(inputs: Any) -> bool:
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(
            isinstance(item, dict) and not {"name", "shape", "datatype"} - item.keys()
            for item in inputs
        )
    )


def _read_v2(value: dict[str, Any], signature: Signature, model: str) -> Question:
    tensors = {}
    for item in value["inputs"]:
        name = str(item["name"])
        if name in tensors:
            raise BadValue(f"inputs: {name!r} stands there twice")
        tensors[name] = _nested(name, item)
    params = value.get("parameters")
    known = {parameter.name for parameter in signature.params}
    own = {k: v for k, v in params.items() if k in known} if isinstance(params, dict) else {}
    try:
        data = _from_tensors(tensors, signature)
    except BadValue as error:
        raise BadValue(f"inputs: {error}") from None
    asked = value.get("outputs")
    wanted = [str(o.get("name")) for o in asked if isinstance(o, dict)] if asked else []

    def write(result: Any) -> dict[str, Any]:
        outputs = _outputs(result, signature)
        if wanted:
            outputs = [output for output in outputs if output["name"] in wanted]
        told: dict[str, Any] = {"model_name": model, "outputs": outputs}
        if "id" in value:
            told["id"] = value["id"]
        return told

    return Question(data, typed.parameters(own, signature.params), write)


def _from_tensors(tensors: dict[str, Any], signature: Signature) -> Any:
    names = {field.name for field in signature.inputs}
    if len(tensors) == 1 and not names & tensors.keys():
        only = next(iter(tensors.values()))
        return typed.from_tensor(only, signature)
    if signature.is_tensor:
        return typed.from_named(tensors, signature)
    # A column comes as [n] or [n, 1].
    return typed.from_named(
        {
            name: [row[0] for row in value]
            if value and all(isinstance(row, list) and len(row) == 1 for row in value)
            else value
            for name, value in tensors.items()
        },
        signature,
    )


def _nested(name: str, item: dict[str, Any]) -> Any:
    """A tensor's data, which may come flat, as its shape nests it."""
    shape, data = item["shape"], item.get("data")
    if item["datatype"] not in _V2_TYPES:
        raise BadValue(f"inputs: {name!r} has an unknown datatype {str(item['datatype'])[:40]!r}")
    sizes = isinstance(shape, list) and all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape
    )
    if not sizes or not shape or len(shape) > 16:
        raise BadValue(f"inputs: the shape of {name!r} is not a list of sizes")
    if not isinstance(data, list):
        raise BadValue(f"inputs: {name!r} has no 'data'; binary data is not taken")
    flat = data
    while flat and isinstance(flat[0], list):
        if not all(isinstance(part, list) for part in flat):
            raise BadValue(f"inputs: {name!r} has ragged data")
        flat = [value for part in flat for value in part]
    count = 1
    for size in shape:
        count *= size
    if len(flat) != count:
        raise BadValue(
            f"inputs: {name!r} has {len(flat)} values, and its shape {shape} needs {count}"
        )
    for size in reversed(shape[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size or 1)]
    return flat


def _outputs(result: Any, signature: Signature) -> list[dict[str, Any]]:
    parts = typed.columns_of(result)
    if parts is not None:
        return [_output(name, value) for name, value in parts.items()]
    names = [field.name for field in signature.outputs if field.name]
    return [_output(names[0] if len(names) == 1 else "output-1", result)]


def _output(name: str, value: Any) -> dict[str, Any]:
    dtype = str(getattr(value, "dtype", ""))
    plain = typed.plain(value)
    if not isinstance(plain, list):
        plain = [plain]
    shape, flat = [len(plain)], plain
    while flat and all(isinstance(part, list) and len(part) == len(flat[0]) for part in flat):
        shape.append(len(flat[0]))
        flat = [item for part in flat for item in part]
    if any(isinstance(item, (list, dict)) for item in flat):
        flat = [_text(item) if isinstance(item, (list, dict)) else item for item in flat]
    return {
        "name": name,
        "datatype": _TO_V2.get(dtype) or _guessed(flat),
        "shape": shape,
        "data": flat,
    }


def _text(part: Any) -> str:
    return written(part).body.decode()


def _guessed(values: list[Any]) -> str:
    # NaN, which is not itself, stands for nothing as None does.
    present = [value for value in values if value is not None and value == value]  # noqa: PLR0124
    if present and all(isinstance(value, bool) for value in present):
        return "BOOL"
    if present and all(isinstance(value, int) for value in present):
        return "INT64"
    if present and all(isinstance(value, (int, float)) for value in present):
        return "FP64"
    return "BYTES"
