"""What is collected of a model that comes without a script: `model_inputs` and `model_outputs`,
where the deployment enables them."""

from __future__ import annotations

import sys
from typing import Any

from . import collected
from .collector import Collector

_INPUTS, _OUTPUTS = "model_inputs", "model_outputs"


class ModelCollections:
    def __init__(self) -> None:
        self._inputs = _collector(_INPUTS)
        self._outputs = _collector(_OUTPUTS)

    def given(self, data: Any) -> None:
        if self._inputs is not None:
            self._inputs.collect(_plain(data))

    def gave(self, answer: Any) -> None:
        if self._outputs is not None:
            self._outputs.collect(_plain(answer))


def _collector(name: str) -> Collector | None:
    """None where the collection is not enabled. What cannot be collected is printed."""
    return Collector(name=name, on_error=_tell) if collected.current().has(name) else None


def _tell(error: Exception) -> None:
    sys.stderr.write(f"[ml-endpoints] {error}\n")


def _plain(value: Any) -> Any:
    """What JSON has no word for, as what it is made of."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if not hasattr(value, "columns") and callable(getattr(value, "tolist", None)):
        return value.tolist()
    return value
