"""The scoring script of an MLflow model that comes without one."""

from __future__ import annotations

from typing import Any

from ..mlflow_loading import loaded
from ..script import INIT_FAILED, ScriptFailed
from .joining import Joining
from .monitoring.model_collections import ModelCollections
from .signature import BadSignature, Signature, of_model, read_mlmodel

_MOST = 64
_BY_ROW = frozenset(
    f"mlflow.{flavor}"
    for flavor in ("sklearn", "xgboost", "lightgbm", "catboost", "onnx", "pytorch")
)
"""The flavors that predict each row by itself. Of what users wrote nobody knows."""


class MlflowModel:
    """`init` and `run` as a script has them, for the model in the folder `path`. Tables of
    requests that are there at once are joined, up to `most` (None: as many as is good for its
    flavor)."""

    def __init__(self, path: str, most: int | None) -> None:
        self._path = path
        self._most = most
        self._model: Any = None
        self._joining: Joining | None = None
        self._collections = ModelCollections()
        self.PAYLOAD_SIGNATURE = _signature(path)

    def init(self) -> None:
        self._model = loaded(self._path)
        most = self._most if self._most is not None else _MOST if self._is_by_row() else 1
        if most > 1 and not self.PAYLOAD_SIGNATURE.is_tensor:
            self._joining = Joining(self._predict, most)

    def run(self, data: Any, params: dict[str, Any]) -> Any:
        self._collections.given(data)
        predict = self._predict if self._joining is None else self._joining.predicted
        answer = predict(data, params)
        self._collections.gave(answer)
        return answer

    def _predict(self, data: Any, params: dict[str, Any]) -> Any:
        model = self._model
        return model.predict(data, params=params) if params else model.predict(data)

    def _is_by_row(self) -> bool:
        try:
            flavors = read_mlmodel(f"{self._path}/MLmodel").get("flavors")
        except BadSignature:
            return False
        flavor = flavors.get("python_function") if isinstance(flavors, dict) else None
        return isinstance(flavor, dict) and flavor.get("loader_module") in _BY_ROW


def _signature(path: str) -> Signature:
    try:
        return of_model(path)
    except BadSignature as error:
        raise ScriptFailed(INIT_FAILED, f"The MLflow model: {error}") from None
