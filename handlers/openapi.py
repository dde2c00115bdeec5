"""The OpenAPI document of our HTTP surface, made from the routes themselves."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from domain.values import Value
from handlers.answers.what_if import WhatIfAnswer
from handlers.http import Described, Routes, json_response
from handlers.what_if import PARAMETER, is_offered

_PARAMETER = re.compile(r"{\*?(\w+)}")
_REASONS = {
    200: "The resource, or the answer",
    201: "Created; poll Azure-AsyncOperation",
    202: "Accepted; poll Location or Azure-AsyncOperation",
    204: "Nothing there, or nothing to say",
}

_EMPTY = (204, 304)

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
    bodies = dict.fromkeys(d.body for d in described if d.body)
    answers: dict[type[Value], None] = dict.fromkeys(
        [*(d.answer for d in described if d.answer), WhatIfAnswer]
    )
    told: list[tuple[type[Value], JsonSchemaMode]] = [(each, "validation") for each in bodies]
    told += [(each, "serialization") for each in answers]
    names, schema = models_json_schema(
        told, by_alias=True, ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for item in described:
        reference = names[item.body, "validation"] if item.body else None
        answer = names[item.answer, "serialization"] if item.answer else None
        path = "/" + _PARAMETER.sub(r"{\1}", item.route)
        paths.setdefault(path, {})[item.method.lower()] = _operation(item, reference, answer)
    _open(schema.get("$defs", {}), [names[each, "validation"] for each in bodies])
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


def _open(schemas: dict[str, Any], bodies: Sequence[Any]) -> None:
    """Leave answers room to grow: a body with what is not known is refused, an answer is not."""
    closed = set(reached(schemas, bodies))
    for name, each in schemas.items():
        if name not in closed and each.get("additionalProperties") is False:
            del each["additionalProperties"]


def reached(schemas: Mapping[str, Any], begun: Any) -> list[str]:
    """The names of the schemas that `begun` refers to, directly or not."""
    found: dict[str, None] = {}
    left = [begun]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in found:
                found[name] = None
                left.append(schemas[name])
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            left.extend(each)
    return list(found)


def _listed(answer: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["value"],
        "properties": {
            "value": {"type": "array", "items": answer},
            "nextLink": {"type": "string", "description": "The next page, if there is one."},
        },
    }


def _successes(item: Described, answer: Any) -> dict[str, Any]:
    told = {
        status: {"description": _REASONS.get(status, "See the summary")} for status in item.statuses
    }
    schema = _listed(answer) if answer is not None and item.lists else answer
    if schema is not None:
        for status in item.statuses:
            if status not in _EMPTY:
                told[status] |= _content(schema)
    if is_dry(item):
        tried = {"$ref": f"#/components/schemas/{WhatIfAnswer.__name__}"}
        if 200 not in item.statuses:
            told[200] = {"description": "Of a dry run: what would change", **_content(tried)}
        elif schema is not None:
            told[200] |= _content({"anyOf": [schema, tried]})
    return {str(status): each for status, each in sorted(told.items())}


def _content(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def is_dry(item: Described) -> bool:
    """Whether it can be tried."""
    return item.method != "GET" and item.action is not None and is_offered(item.action)


def _operation(item: Described, body: Any, answer: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": item.function,
        "summary": item.summary,
        "parameters": _parameters(item),
        "responses": {
            **_successes(item, answer),
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
    if is_dry(item):
        found.append({"name": PARAMETER, "in": "query", "schema": {"type": "boolean"}})
    found += [{"name": n, "in": "query", "schema": schema} for n, schema in item.query.items()]
    return found
