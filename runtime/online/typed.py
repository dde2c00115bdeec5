"""JSON values as what a signature says they are, and a model's results as JSON values again:
pandas DataFrames for columns, numpy arrays for tensors.

numpy and pandas are the model's own: they are imported when a signature needs them.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

from .signature import Field, Parameter, Signature

_INTEGERS = {"integer": 32, "long": 64}
_FLOATS = {"float": "float32", "double": "float64"}


class BadValue(Exception):
    """The data does not fit the signature; the message names what does not, and why."""


def missing_library(signature: Signature) -> str:
    """The library that the signature needs and the environment lacks; '' for none."""
    needed = "numpy" if signature.is_tensor else "pandas"
    try:
        __import__(needed)
    except ImportError:
        return needed
    return ""


# -- in ---------------------------------------------------------------------------------------


def from_named(values: dict[str, Any], signature: Signature, index: Any = None) -> Any:
    """`values` has each input's values by name: a column's list, or a whole tensor."""
    if signature.is_tensor:
        return _tensors(values, signature)
    import pandas

    given = {name: [value] if _is_one(value) else value for name, value in values.items()}
    lengths = {len(given[field.name]) for field in signature.inputs if field.name in given}
    if len(lengths) > 1:
        raise BadValue(f"the columns have different lengths: {_list(sorted(lengths))}")
    lacking = [f.name for f in signature.inputs if f.required and f.name not in given]
    if lacking:
        raise BadValue(f"lacking: {_list(lacking)}; the model takes {_names(signature)}")
    columns = {f.name: _column(f, given[f.name]) for f in signature.inputs if f.name in given}
    try:
        return pandas.DataFrame(columns, index=index, copy=False)
    except (TypeError, ValueError) as error:
        raise BadValue(f"the index does not fit: {error}") from None


def from_rows(rows: Sequence[Any], signature: Signature, columns: Any = None) -> Any:
    """`rows` are objects by name, or lists in the order of `columns` or the signature."""
    if not rows and columns is None:
        return from_named({field.name: [] for field in signature.inputs}, signature)
    if rows and all(isinstance(row, dict) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        lacking = [
            field.name
            for field in signature.inputs
            if field.required and any(field.name not in row for row in rows)
        ]
        if lacking:
            raise BadValue(f"lacking in some row: {_list(lacking)}; each has {_names(signature)}")
        return from_named({n: [row.get(n) for row in rows] for n in names}, signature)
    order = _order(columns, signature)
    if any(not isinstance(row, list) or len(row) != len(order) for row in rows):
        raise BadValue(f"a row is a list of {len(order)}: {_list(order)}")
    by_name = {name: [row[place] for row in rows] for place, name in enumerate(order)}
    return from_named(by_name, signature)


def from_tensor(value: Any, signature: Signature) -> Any:
    """The only tensor of a model, or rows of a model with columns."""
    if not signature.is_tensor:
        if not isinstance(value, list):
            raise BadValue("a list of rows is needed")
        if len(signature.inputs) == 1 and not any(isinstance(row, (list, dict)) for row in value):
            return from_named({signature.inputs[0].name: value}, signature)
        return from_rows(value, signature)
    if len(signature.inputs) > 1:
        raise BadValue(f"the model takes several tensors by name: {_names(signature)}")
    only = signature.inputs[0]
    array = _tensor(only, value)
    return {only.name: array} if only.name else array


def _order(columns: Any, signature: Signature) -> list[str]:
    if columns is None:
        return [field.name for field in signature.inputs]
    if not isinstance(columns, list) or len({str(name) for name in columns}) != len(columns):
        raise BadValue("'columns' is a list of names, each once")
    names = [str(name) for name in columns]
    if not signature.is_named and len(names) == len(signature.inputs):
        return [field.name for field in signature.inputs]
    return names


def _tensors(values: dict[str, Any], signature: Signature) -> Any:
    if not signature.is_named:
        if len(values) == 1:
            return _tensor(signature.inputs[0], next(iter(values.values())))
        raise BadValue("the model takes one tensor, which has no name")
    lacking = [field.name for field in signature.inputs if field.name not in values]
    if lacking:
        raise BadValue(f"lacking: {_list(lacking)}; the model takes {_names(signature)}")
    return {field.name: _tensor(field, values[field.name]) for field in signature.inputs}


def _tensor(field: Field, value: Any) -> Any:
    import numpy

    what = f"tensor {field.name!r}" if field.name else "the tensor"
    try:
        array = numpy.array(value)
        wanted = numpy.dtype(field.dtype or array.dtype)
    except (TypeError, ValueError, OverflowError):
        raise BadValue(f"{what} has ragged or mixed values") from None
    if wanted.kind in "biuf":
        if array.size and not (array.dtype.kind in "biuf" and _fits(array, wanted)):
            raise BadValue(f"{what} has values that are not {wanted}")
        array = array.astype(wanted)
    shape = field.shape
    fits = len(shape) == array.ndim and all(
        size in (-1, got)
        for size, got in zip(shape, array.shape)  # noqa: B905 - `strict` needs Python 3.10
    )
    if not fits:
        raise BadValue(f"{what} has the shape {list(array.shape)}; the model takes {list(shape)}")
    return array


def _fits(array: Any, wanted: Any) -> bool:
    """Whether no number changes when `array` becomes `wanted`, rounding of floats aside."""
    import numpy

    if wanted.kind == "f":
        return True
    if wanted.kind == "b":
        return array.dtype.kind == "b"  # type: ignore[no-any-return]
    if array.dtype.kind == "f" and not (
        numpy.isfinite(array).all() and (array == numpy.trunc(array)).all()
    ):
        return False
    limits = numpy.iinfo(wanted)
    return bool(array.min() >= limits.min and array.max() <= limits.max)


def _column(field: Field, values: Any) -> Any:
    """A list of values as a column; what holds nothing stays as it is."""
    import numpy
    import pandas

    what, kind = f"column {field.name!r}", field.type
    if not isinstance(values, list):
        raise BadValue(f"{what} is a list of values")
    if kind in _FLOATS or kind in _INTEGERS or kind == "boolean":
        if not values:
            return numpy.array([], dtype=_dtype(kind))
        holes = None in values
        if holes and field.required and kind not in _FLOATS:
            raise BadValue(f"{what} is {kind}, which cannot be null")
        present = [value for value in values if value is not None] if holes else values
        if present:
            present = _numbers(what, kind, present)
        if not holes:
            return present
        rest = iter(present)
        if kind in _FLOATS:
            filled = [math.nan if value is None else next(rest) for value in values]
            return numpy.array(filled, dtype=_FLOATS[kind])
        return pandas.Series(
            [None if v is None else next(rest).item() for v in values], dtype=object
        )
    if kind == "string":
        # MLflow leaves numbers in such a column as they are, and its models are used to that.
        if any(isinstance(value, (list, dict)) for value in values):
            raise BadValue(f"{what} has values that are not strings")
    elif kind == "binary":
        return [None if value is None else _binary(what, value) for value in values]
    elif kind == "datetime":
        try:
            return pandas.to_datetime(pandas.Series(values, dtype=object))
        except (ValueError, TypeError, OverflowError):
            raise BadValue(f"{what} has values that are not dates and times") from None
    return pandas.Series(values, dtype=object)


def _numbers(what: str, kind: str, values: list[Any]) -> Any:
    import numpy

    wanted = numpy.dtype(_dtype(kind))
    try:
        array = numpy.array(values)
    except (ValueError, OverflowError):
        raise BadValue(f"{what} has values that are not {kind}") from None
    if array.ndim != 1 or array.dtype.kind not in "biuf" or not _fits(array, wanted):
        raise BadValue(f"{what} has values that are not {kind}")
    return array.astype(wanted)


def _dtype(kind: str) -> str:
    if kind in _INTEGERS:
        return f"int{_INTEGERS[kind]}"
    return _FLOATS.get(kind, "bool")


def _binary(what: str, value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise BadValue(f"{what} has values that are not base64") from None


def parameters(given: Any, known: tuple[Parameter, ...]) -> dict[str, Any]:
    """Each parameter of the signature: what was given, else its default."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise BadValue("'params' is an object")
    names = [parameter.name for parameter in known]
    strange = [name for name in given if name not in names]
    if strange:
        takes = f"the model takes {_list(names)}" if names else "the model takes none"
        raise BadValue(f"unknown in 'params': {_list(strange)}; {takes}")
    for parameter in known:
        value = given.get(parameter.name)
        if value is not None and isinstance(value, list) != parameter.is_list:
            raise BadValue(f"the parameter {parameter.name!r} is of type {parameter.type}")
    return {parameter.name: given.get(parameter.name, parameter.default) for parameter in known}


def _is_one(value: Any) -> bool:
    return not isinstance(value, list)


def _names(signature: Signature) -> str:
    return _list([field.name for field in signature.inputs])


def _list(items: Sequence[Any]) -> str:
    shown = ", ".join(str(item)[:80] for item in items[:20])
    return f"{shown}, and {len(items) - 20} more" if len(items) > 20 else shown


# -- out --------------------------------------------------------------------------------------


def plain(result: Any) -> Any:
    """What a model gave as values that JSON has a form for: a DataFrame as objects, an array as
    nested lists."""
    if isinstance(result, dict):
        return {str(name): plain(value) for name, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [plain(value) for value in result]
    if result is None or isinstance(result, (str, bool, int, float)):
        return result
    if isinstance(result, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(result)).decode()
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        return plain(result.to_dict(orient="records"))
    if hasattr(result, "dtype") and hasattr(result, "tolist"):
        return _plain_array(result)
    if hasattr(result, "isoformat"):
        return None if type(result).__name__ == "NaTType" else result.isoformat()
    if type(result).__name__ == "NAType":
        return None
    raise TypeError(f"Object of type {type(result).__name__} is not JSON serializable")


def _plain_array(array: Any) -> Any:
    import numpy

    kind = array.dtype.kind
    if kind in "biuf":
        return array.tolist()
    if kind in "mM" and isinstance(array, (numpy.ndarray, numpy.generic)):
        return array.astype(str).tolist()
    return plain(array.tolist())


def columns_of(result: Any) -> dict[str, Any] | None:
    """A result of several named parts, by name; None for any other."""
    if hasattr(result, "columns") and hasattr(result, "to_dict"):
        return {str(name): result[name] for name in result.columns}
    if isinstance(result, dict):
        return {str(name): value for name, value in result.items()}
    return None
