"""For scripts: `rawhttp` marks a `run` that takes the request itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from flask import Request  # type: ignore[import-not-found, unused-ignore]
except ModuleNotFoundError as error:
    raise ImportError(
        "azureml.contrib.services stands on Flask, which the environment has not: add "
        "azureml-inference-server-http, or flask, to its packages."
    ) from error

_R = TypeVar("_R", bound=Callable[..., Any])

_rawHttpRequested = False  # noqa: N816  # Looked for under this name.


def rawhttp(run: _R) -> _R:
    """`run` is given Flask's request."""
    global _rawHttpRequested  # noqa: PLW0603
    _rawHttpRequested = True
    return run


class AMLRequest(Request):  # type: ignore[misc, unused-ignore]
    """For annotations."""
