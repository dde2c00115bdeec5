"""The API document of a deployment: the user's own file, or one made from `inference_schema`
if the script uses it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from . import envelopes
from .signature import Signature

_ALIASES = {"2": "2", "2.0": "2", "3": "3", "3.0": "3", "3.1": "3.1"}
_FILES = {
    "2": ("swagger.json", "swagger2.json"),
    "3": ("swagger3.json",),
    "3.1": ("swagger3.1.json",),
}
_ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}
_ANYTHING = {"type": "object", "example": {}}


class NoDocument(Exception):
    """There is no document of the version asked for."""


class Documents:
    """The documents of one script, made once."""

    def __init__(
        self,
        run: Callable[..., Any],
        app_root: str,
        title: str,
        signature: Signature | None = None,
    ) -> None:
        self._documents: dict[str, bytes] = {}
        for version in _FILES:
            try:
                found = _user_file(app_root, version) or _generated(run, title, version, signature)
                if found is not None:
                    self._documents[version] = json.dumps(found).encode()
            except (TypeError, ValueError) as error:  # an example that JSON cannot hold
                sys.stderr.write(f"No API document of version {version}: {error}\n")

    def get(self, version: str) -> bytes:
        """Raises NoDocument."""
        supported = ", ".join(sorted(self._documents))
        if version not in _ALIASES:
            raise NoDocument(
                f"Swagger version [{version}] is not valid. Supported versions: [{supported}]."
            )
        found = self._documents.get(_ALIASES[version])
        if found is None:
            raise NoDocument(
                f"Swagger version [{version}] is not supported for the scoring script. "
                f"Supported swagger versions: [{supported}]."
            )
        return found


def is_decorated(run: Callable[..., Any]) -> bool:
    module = _inference_schema()
    return module is not None and bool(module.is_schema_decorated(run))


def _inference_schema() -> Any:
    # If the script did not import it, the script does not use it.
    return sys.modules.get("inference_schema.schema_util")


def _user_file(app_root: str, version: str) -> dict[str, Any] | None:
    for name in _FILES[version]:
        try:
            with open(os.path.join(app_root, name), encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            continue
        except ValueError as error:
            sys.stderr.write(f"{name} is not JSON and is left out: {error}\n")
            continue
        if isinstance(found, dict):
            return found
    return None


def _generated(
    run: Callable[..., Any], title: str, version: str, signature: Signature | None
) -> dict[str, Any] | None:
    module = _inference_schema()
    taken: Any = _ANYTHING
    given: Any = _ANYTHING
    if signature is not None:
        taken, given = envelopes.schemas(signature, alternatives=version != "2")
    elif module is not None:
        supported = set(module.get_supported_versions(run))
        if not any(alias in supported for alias, main in _ALIASES.items() if main == version):
            return None
        if module.is_schema_decorated(run):
            taken, given = module.get_input_schema(run), module.get_output_schema(run)
    schemas = {"ServiceInput": taken, "ServiceOutput": given, "ErrorResponse": _ERROR}
    return _swagger(title, schemas) if version == "2" else _openapi(title, schemas, version)


def _info(title: str) -> dict[str, str]:
    return {
        "title": title,
        "description": f"What the deployment {title} takes and gives.",
        "version": "1.0",
    }


def _swagger(title: str, schemas: dict[str, Any]) -> dict[str, Any]:
    def response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": text, "schema": schema}

    failure = response("What went wrong", {"$ref": "#/definitions/ErrorResponse"})
    score = {
        "operationId": "RunMLService",
        "description": "Score the input",
        "security": [{"Bearer": []}],
        "parameters": [
            {
                "name": "serviceInputPayload",
                "in": "body",
                "schema": {"$ref": "#/definitions/ServiceInput"},
            }
        ],
        "responses": {
            "200": response("The prediction", {"$ref": "#/definitions/ServiceOutput"}),
            "default": failure,
        },
    }
    health = {
        "operationId": "ServiceHealthCheck",
        "description": "Whether the deployment takes requests",
        "responses": {"200": response("It does", {"type": "string"}), "default": failure},
    }
    return {
        "swagger": "2.0",
        "info": _info(title),
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {
            "Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}
        },
        "paths": {"/": {"get": health}, "/score": {"post": score}},
        "definitions": schemas,
    }


def _openapi(title: str, schemas: dict[str, Any], version: str) -> dict[str, Any]:
    def response(text: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"description": text, "content": {kind: {"schema": schema}}}

    failure = response(
        "What went wrong", "application/json", {"$ref": "#/components/schemas/ErrorResponse"}
    )
    score = {
        "operationId": "RunMLService",
        "description": "Score the input",
        "requestBody": {
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ServiceInput"}}
            }
        },
        "responses": {
            "200": response(
                "The prediction",
                "application/json",
                {"$ref": "#/components/schemas/ServiceOutput"},
            ),
            "default": failure,
        },
    }
    health = {
        "operationId": "ServiceHealthCheck",
        "description": "Whether the deployment takes requests",
        "security": [],
        "responses": {
            "200": response("It does", "text/plain", {"type": "string"}),
            "default": failure,
        },
    }
    return {
        "openapi": "3.1.0" if version == "3.1" else "3.0.3",
        "info": _info(title),
        "security": [{"Bearer": []}],
        "paths": {"/": {"get": health}, "/score": {"post": score}},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"Bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
