"""The scoring script of an MLflow model that comes without one, for batch jobs: a file in, its
predictions out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ...mlflow_loading import loaded
from ...online.signature import BadSignature, Signature, of, read_mlmodel
from ...script import INIT_FAILED, ScriptFailed, describe
from . import image_files, table_files
from .predictions import Predictions, table_of
from .unscorable import Unscorable

_READ = f"{', '.join(table_files.SUFFIXES)} and {', '.join(image_files.SUFFIXES)}"


class MlflowFiles:
    """`init` and `run` as a batch script has them, for the model in the folder `path`. A table of
    up to `table_files.ROWS` rows is given to the model at once, a larger one in pieces of so many;
    a picture by itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._model: Any = None
        self._signature = _signature(path)

    def init(self) -> None:
        self._model = loaded(self._path)

    def run(self, mini_batch: list[str]) -> Predictions:
        """Raises Unscorable for the first file that is none of its kind, or does not fit the
        signature, and whatever the model raises."""
        found = Predictions()
        for path in mini_batch:
            tables = [table_of(self._model.predict(data)) for data in self._given(path)]
            found.add(os.path.basename(path), tables)
        return found

    def _given(self, path: str) -> Iterator[Any]:
        suffix = os.path.splitext(path)[1].lower()
        if suffix in image_files.SUFFIXES:
            yield image_files.read(path, self._signature)
        elif suffix in table_files.SUFFIXES:
            for table in table_files.read(path, self._signature):
                if len(table):
                    yield self._tensor_of(table, path)
        else:
            raise Unscorable(
                f"{os.path.basename(path)} is of no kind that is read for an MLflow model without "
                f"a scoring script: {_READ}. Leave it out (inputs take include and exclude), or "
                "give the deployment a scoring script."
            )

    def _tensor_of(self, table: Any, path: str) -> Any:
        """The table as it is, but for a model that takes one tensor without a name."""
        signature = self._signature
        if signature is None or not signature.is_tensor or signature.is_named:
            return table
        try:
            return table_files.as_tensor(table, signature.inputs[0])
        except (ValueError, TypeError) as error:
            name, shape = os.path.basename(path), list(signature.inputs[0].shape)
            told = f"{name} is no tensor of the shape {shape}: {describe(error)}"
            raise Unscorable(told) from None


def _signature(path: str) -> Signature | None:
    """None for a model that has none: it is given what is read as it is."""
    try:
        said = read_mlmodel(os.path.join(path, "MLmodel")).get("signature")
        return of(said) if said else None
    except BadSignature as error:
        raise ScriptFailed(INIT_FAILED, f"The MLflow model: {error}") from None
