"""For scripts: a response with a status and headers of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

try:
    from flask import Response  # type: ignore[import-not-found, unused-ignore]
except ModuleNotFoundError as error:
    raise ImportError(
        "azureml.contrib.services stands on Flask, which the environment has not: add "
        "azureml-inference-server-http, or flask, to its packages."
    ) from error


class AMLResponse(Response):  # type: ignore[misc, unused-ignore]
    """`message` is sent as it is, as JSON with `json_str`, and None as an empty object. Of a header
    with commas each part is one of its own; a content type among them takes the usual one's
    place."""

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        headers = response_headers or {}
        if message is None or json_str:
            body = json.dumps({} if message is None else message)
            super().__init__(body, status=status_code, mimetype="application/json")
        else:
            super().__init__(message, status=status_code)
            if "Content-Type" in headers:
                self.headers.remove("Content-Type")
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, value in headers.items():
            for part in value.split(","):
                self.headers.add_header(name, part.strip())
