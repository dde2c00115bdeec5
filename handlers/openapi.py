"""The OpenAPI document of our HTTP surface, made from the routes themselves."""

import re
from collections.abc import Sequence
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic.json_schema import models_json_schema

from domain.values import Value
from handlers.http import Described, Routes, json_response
from handlers.what_if import PARAMETER, is_offered

_PARAMETER = re.compile(r"{\*?(\w+)}")
_REASONS = {
    200: "The resource, or the answer",
    201: "Created; poll Azure-AsyncOperation",
    202: "Accepted; poll Location or Azure-AsyncOperation",
    204: "Nothing there, or nothing to say",
}

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"$ref": "#/components/schemas/ErrorDetail"}},
}
ERROR_DETAIL = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "target": {"type": ["string", "null"]},
        "details": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorDetail"}},
        "additionalInfo": {"type": "array", "items": {}},
    },
}


PATCH = {"type": "object", "description": "Members to change; null removes (RFC 7396)."}


def blueprint(routes: Routes) -> func.Blueprint:
    """Serves the document of every function described by the time it is asked for."""
    bp = func.Blueprint()
    routes.describe("get_openapi", "GET", "openapi.json", "This document", secured=False)

    async def get_openapi(req: Request) -> Response:
        return json_response(document(routes.described, routes.addresses.base_url))

    routes.register(bp, "get_openapi", "GET", "openapi.json", get_openapi)
    return bp


def document(described: Sequence[Described], base_url: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document; one operation for each function, its id the function's name."""
    bodies: list[type[Value]] = list(dict.fromkeys(d.body for d in described if d.body))
    names, schema = models_json_schema(
        [(body, "validation") for body in bodies],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for item in described:
        reference = names[item.body, "validation"] if item.body else None
        path = "/" + _PARAMETER.sub(r"{\1}", item.route)
        paths.setdefault(path, {})[item.method.lower()] = _operation(item, reference)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ml-endpoints",
            "version": "1",
            "description": "Azure Machine Learning's online and batch endpoints.",
        },
        "servers": [{"url": base_url}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {
                **schema.get("$defs", {}),
                "Error": ERROR,
                "ErrorDetail": ERROR_DETAIL,
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(item: Described, body: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": item.function,
        "summary": item.summary,
        "parameters": _parameters(item),
        "responses": {
            **{str(s): {"description": _REASONS.get(s, "See the summary")} for s in item.statuses},
            "default": {
                "description": "A refusal",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
        "security": [{"bearer": []}] if item.secured else [],
    }
    if item.action:
        operation["description"] = f"Needs the action `workspaces/{item.action}`."
    if body is not None:
        operation["requestBody"] = {
            "required": not item.may_lack_body,
            "content": {"application/json": {"schema": PATCH if item.method == "PATCH" else body}},
        }
    return operation


def _parameters(item: Described) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _PARAMETER.findall(item.route)
    ]
    if item.action:
        found.append({"name": "api-version", "in": "query", "schema": text})
    if item.lists:
        top = {"type": "integer", "minimum": 1, "maximum": 1000}
        found.append({"name": "$top", "in": "query", "schema": top})
        found.append({"name": "$skip", "in": "query", "schema": text})
    if item.method != "GET" and item.action and is_offered(item.action):
        found.append({"name": PARAMETER, "in": "query", "schema": {"type": "boolean"}})
    found += [{"name": n, "in": "query", "schema": schema} for n, schema in item.query.items()]
    return found
