"""`@rawhttp` scripts get Flask's request, made with the Flask of their own environment."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from ..server.exchange import Request

_DECORATORS = (
    "azureml_inference_server_http.api.aml_request",
    "azureml.contrib.services.aml_request",
)


def requested() -> bool:
    """Whether the script used a `rawhttp` decorator: importing one needs Flask."""
    return any(getattr(sys.modules.get(name), "_rawHttpRequested", False) for name in _DECORATORS)


class RawHttp:
    def __init__(self) -> None:
        import flask  # type: ignore[import-not-found, unused-ignore]

        self._app: Any = flask.Flask("entry_module", static_folder=None)

    @contextmanager
    def context(self, request: Request) -> Iterator[Any]:
        """The Flask request, with `flask.request` and `flask.g` bound for the calling thread."""
        context = self._app.request_context(environ(request))
        with context:
            yield context.request


def environ(request: Request) -> dict[str, Any]:
    """The request as PEP 3333 puts it."""
    path, _, query = request.target.partition("?")
    host = request.headers.get("host", "localhost")
    name, _, port = host.partition(":")
    variables: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "SERVER_NAME": name or "localhost",
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1" if request.http11 else "HTTP/1.0",
        "REMOTE_ADDR": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if request.body or "content-length" in request.headers:
        variables["CONTENT_LENGTH"] = str(len(request.body))
    for name, value in request.headers.items():
        if name == "content-type":
            variables["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            variables["HTTP_" + name.upper().replace("-", "_")] = value
    return variables
