"""The scoring script of an MLflow model that comes without one."""

from __future__ import annotations

from typing import Any

from ..mlflow_loading import loaded
from ..script import INIT_FAILED, ScriptFailed
from .monitoring.model_collections import ModelCollections
from .signature import BadSignature, Signature, of_model


class MlflowModel:
    """`init` and `run` as a script has them, for the model in the folder `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._model: Any = None
        self._collections = ModelCollections()
        self.PAYLOAD_SIGNATURE = _signature(path)

    def init(self) -> None:
        self._model = loaded(self._path)

    def run(self, data: Any, params: dict[str, Any]) -> Any:
        self._collections.given(data)
        model = self._model
        answer = model.predict(data, params=params) if params else model.predict(data)
        self._collections.gave(answer)
        return answer


def _signature(path: str) -> Signature:
    try:
        return of_model(path)
    except BadSignature as error:
        raise ScriptFailed(INIT_FAILED, f"The MLflow model: {error}") from None
