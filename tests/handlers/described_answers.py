"""What a host answers, held against what its OpenAPI document says that it does: no field that is
not told of there, and none missing."""

import re
from collections.abc import Mapping
from typing import Any

import azure.functions as func
import httpx
import jsonschema_rs

from handlers import http_blueprints
from infra.embedded.host.functions import index
from infra.embedded.host.http_app import HttpApp
from tests.kit.clocks import HeldClock
from tests.kit.composed import adapters, composed
from tests.kit.computes import ToldCompute
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

_METHODS = ("get", "put", "post", "patch", "delete")


async def described(answer: httpx.Response) -> None:
    """For the hooks of a client: fails the call whose answer is another than the document has."""
    path, status = answer.request.url.path, str(answer.status_code)
    if not answer.is_success or path == "/openapi.json":
        return
    for method, pattern, schemas in (await _document()).operations:
        if method == answer.request.method and status in schemas and pattern.fullmatch(path):
            await answer.aread()
            _check(f"{method} {path}", schemas[status], answer.json())
            return


def _check(what: str, schema: jsonschema_rs.Validator, body: Any) -> None:
    fault = next(iter(schema.iter_errors(body)), None)
    if fault is not None:
        where = "/".join(str(each) for each in fault.instance_path)
        raise AssertionError(f"{what} tells another {where or 'body'} than described: {fault}")


_kept: list["Described"] = []


class Described:
    """A document, read."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        for each in schemas.values():
            if "properties" in each:
                # Closed: what is not told of is a fault.
                each.setdefault("additionalProperties", False)
        self._components = {"schemas": schemas}
        self._known: dict[str, jsonschema_rs.Validator] = {}
        self.operations = [
            (method.upper(), _pattern(path), told)
            for path, methods in document["paths"].items()
            for method in _METHODS
            if (told := self._answers(methods.get(method, {}).get("responses", {})))
        ]

    def _answers(self, responses: Mapping[str, Any]) -> dict[str, jsonschema_rs.Validator]:
        return {
            status: self._validator(each["content"]["application/json"]["schema"])
            for status, each in responses.items()
            if status != "default" and "content" in each
        }

    def _validator(self, schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
        text = repr(schema)
        if text not in self._known:
            whole = {**schema, "components": self._components}
            self._known[text] = jsonschema_rs.validator_for(whole)
        return self._known[text]


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/".join("[^/]+" if "{" in part else part for part in path.split("/")))


async def _document() -> Described:
    """The whole app's, made once for the process."""
    if not _kept:
        app = func.FunctionApp()
        for blueprint in http_blueprints(composed(_nothing())):
            app.register_functions(blueprint)
        asgi: Any = HttpApp(
            index(app, {}),
            exact={},
            prefixes=(),
            scripts=NO_SCRIPTS,
            route_prefix="",
            log_requests=False,
        )
        transport = httpx.ASGITransport(asgi)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://host", timeout=PATIENCE
        ) as client:
            _kept.append(Described((await client.get("/openapi.json")).json()))
    return _kept[0]


def _nothing() -> Any:
    """Adapters that nobody asks for anything."""
    clock, compute, none = HeldClock(), ToldCompute(), object()
    return adapters(
        MemoryResourceStore(clock.unix),
        none,  # type: ignore[arg-type]
        none,  # type: ignore[arg-type]
        clock,
        capabilities=compute,
        serving=compute,
        workers=compute,
        scorer=ScriptedScorer(),
    )
