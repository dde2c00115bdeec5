"""The HTTP edge of the control plane: its functions, and how answers look.

Handlers parse, call one activity and render; the decorator around them admits the caller
(handlers/admission.py), checks the workspace in the path and has refusals answered.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.errors import Invalid, NotFound
from domain.ground.operation import Operation
from domain.ground.resource import Conditions, TrackedResource
from domain.names import PROVIDER, WorkspaceScope
from domain.ports import Principal
from domain.values import Value
from handlers import wire
from handlers.addresses import Addresses, Handler
from handlers.admission import Admission
from handlers.auditing import Kept, resource_at
from handlers.tracing import traced_request

Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]

SUBSCRIPTION_ROUTE = "subscriptions/{subscription}"
GROUP_ROUTE = f"{SUBSCRIPTION_ROUTE}/resourceGroups/{{resource_group}}"
WORKSPACE_ROUTE = f"{GROUP_ROUTE}/providers/{PROVIDER}/workspaces/{{workspace}}"
RETRY_AFTER = 1
"""Seconds between polls that answers advise."""

_READ_ALONE = frozenset({"models", "codes", "environments", "data", "datastores", "computes"})
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-zA-Z]+)?|v?1(\.\d{1,3}){1,2}")
"""Dates, and what the run history and the data service of Azure ML are asked by."""


def _scope(request: Request, action: str) -> str:
    """What `action` is about and a role may be given for alone, as a path below the workspace;
    '' for none: an endpoint, an operation on one, and an asset, datastore or compute that is
    read."""
    collection, _, rest = action.partition("/")
    parameters = request.path_params
    endpoint, name = parameters.get("endpoint"), parameters.get("name")
    if endpoint:
        return f"{collection}/{endpoint}"
    if operation := parameters.get("operation"):
        return "/".join(operation.split(":")[:2])
    reads = rest.endswith("read") or rest == "listSecrets/action"
    return f"{collection}/{name}" if name and reads and collection in _READ_ALONE else ""


At = Callable[[Request, str], str | None]
"""Where an action's role must be given, as a path below the workspace; None: nowhere, any caller
that is known may ask, and gets what is his to see."""


def anywhere(request: Request, action: str) -> None:
    return None


@dataclass(frozen=True)
class Described:
    """What the OpenAPI document says of one function."""

    function: str
    method: Method
    route: str
    summary: str
    action: str | None
    body: type[Value] | None
    statuses: tuple[int, ...]
    lists: bool
    secured: bool
    may_lack_body: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    """JSON schemas of parameters, but for those of every function or list."""
    answer: type[Value] | None = None
    """What a success tells; of a list each entry."""


class Routes:
    """Registers control-plane functions on blueprints and remembers them for OpenAPI."""

    def __init__(
        self,
        admission: Admission,
        data_admission: Admission,
        scope: WorkspaceScope,
        addresses: Addresses,
    ) -> None:
        """`data_admission` is of the data plane, whose clients ask for tokens of an audience of
        its own."""
        self.admission = admission
        self.data_admission = data_admission
        self.scope = scope
        self.addresses = addresses
        self.described: list[Described] = []

    def arm(
        self,
        blueprint: func.Blueprint,
        method: Method,
        path: str,
        *,
        action: str,
        summary: str,
        body: type[Value] | None = None,
        statuses: tuple[int, ...] = (200,),
        lists: bool = False,
        may_lack_body: bool = False,
        name: str | None = None,
        base: str = WORKSPACE_ROUTE,
        query: Mapping[str, Any] | None = None,
        answer: type[Value] | None = None,
        kept: Kept | None = None,
        is_data_plane: bool = False,
        at: At = _scope,
    ) -> Callable[[Handler], Handler]:
        """A function at `path` below the workspace, or another `base`, for callers that may do
        `action`. `kept` in the audit log is by itself whatever is no GET. `at` says of
        what of the workspace he must be."""
        route = f"{base}/{path}" if path else base
        admission = self.data_admission if is_data_plane else self.admission

        def decorate(handler: Handler) -> Handler:
            function_name = name or handler.__name__

            @functools.wraps(handler)
            async def here(req: Request) -> Response:
                self._check_version(req)
                self._check_scope(req)
                return await handler(req)

            async def admitted(req: Request) -> Principal:
                return await admission.by_token(req, action, at(req, action))

            keeps = kept or Kept.by_method(method)
            auditor = admission.auditor(keeps, action, resource_at(method, path))
            guarded = admission.guarded(here, admitted, auditor)
            self.describe(
                function_name,
                method,
                route,
                summary,
                action=action,
                body=body,
                statuses=statuses,
                lists=lists,
                may_lack_body=may_lack_body,
                query=query,
                answer=answer,
            )
            self.register(blueprint, function_name, method, route, guarded)
            return guarded

        return decorate

    def describe(
        self,
        function: str,
        method: Method,
        route: str,
        summary: str,
        *,
        action: str | None = None,
        body: type[Value] | None = None,
        statuses: tuple[int, ...] = (200,),
        lists: bool = False,
        secured: bool = True,
        may_lack_body: bool = False,
        query: Mapping[str, Any] | None = None,
        answer: type[Value] | None = None,
    ) -> None:
        """Tell OpenAPI of a function; `arm` does so itself."""
        self.described.append(
            Described(
                function,
                method,
                route,
                summary,
                action,
                body,
                statuses,
                lists,
                secured,
                may_lack_body,
                query or {},
                answer,
            )
        )

    def register(
        self,
        blueprint: func.Blueprint,
        name: str,
        methods: Method | list[str],
        route: str,
        handler: Handler,
    ) -> None:
        """The one place where an HTTP function meets the library."""
        listed = methods if isinstance(methods, list) else [methods]
        trigger = blueprint.route(route=route, methods=listed, auth_level=func.AuthLevel.ANONYMOUS)
        settled = self.addresses.settled(traced_request(route, handler))
        blueprint.function_name(name)(trigger(settled))

    def _check_version(self, request: Request) -> None:
        version = request.query_params.get("api-version")
        if version is not None and not _API_VERSION.fullmatch(version):
            raise Invalid(
                f"'{version[:40]}' is not an api-version; any date such as 2024-10-01 will do.",
                code="InvalidApiVersionParameter",
                target="api-version",
            )

    def _check_scope(self, request: Request) -> None:
        parameters = request.path_params
        scope = self.scope
        given = WorkspaceScope(
            parameters["subscription"],
            parameters.get("resource_group", scope.resource_group),
            parameters.get("workspace", scope.workspace),
        )
        if given.id.casefold() != scope.id.casefold():
            raise NotFound(
                f"Workspace '{given.workspace}' was not found in resource group "
                f"'{given.resource_group}'. This installation serves {scope.id}."
            )

    def absolute(self, path: str) -> str:
        return self.addresses.absolute(path)

    def operation_url(self, operation_id: str, collection: str = "mfeOperationsStatus") -> str:
        return self.absolute(self.scope.path(collection, quote(operation_id)))

    def created(
        self, resource: dict[str, Any], etag: str, operation: Operation, *, new: bool
    ) -> Response:
        """A PUT's answer: the resource on its way, and where to ask how far it is."""
        headers = {"ETag": etag, **self._polling(operation)}
        return json_response(resource, status=201 if new else 200, headers=headers)

    def accepted(
        self, operation: Operation, resource: dict[str, Any] | None = None, etag: str | None = None
    ) -> Response:
        """The answer of a PATCH, DELETE or action that goes on."""
        headers = {
            "Location": self.operation_url(operation.id, "mfeOperationResults"),
            **self._polling(operation),
        }
        if etag:
            headers["ETag"] = etag
        if resource is None:
            return Response(status_code=202, headers=headers)
        return json_response(resource, status=202, headers=headers)

    def _polling(self, operation: Operation) -> dict[str, str]:
        return {
            "Azure-AsyncOperation": self.operation_url(operation.id),
            "Retry-After": str(RETRY_AFTER),
        }

    def page(self, request: Request, items: list[Any], continuation: str | None) -> Response:
        """A list's answer. `nextLink` is absolute and keeps the query."""
        body: dict[str, Any] = {"value": items}
        if continuation:
            query = [
                (k, v) for k, v in request.query_params.multi_items() if k.casefold() != "$skip"
            ]
            query.append(("$skip", continuation))
            text = "&".join(f"{quote(k, safe='$')}={quote(v, safe='')}" for k, v in query)
            body["nextLink"] = self.absolute(f"{quote(request.url.path)}?{text}")
        return json_response(body)


def caller(request: Request) -> Principal:
    found: Principal = request.state.caller
    return found


@dataclass(frozen=True)
class Paging:
    top: int
    continuation: str | None


def paging(request: Request) -> Paging:
    """`$top` (1 to 1,000; 100 unless told) and `$skip`, the continuation of a nextLink."""
    text = request.query_params.get("$top") or request.query_params.get("count") or "100"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise Invalid(f"'{text[:40]}' is not a page size; $top is 1 to 1000.", target="$top")
    return Paging(int(text), request.query_params.get("$skip"))


def conditions(request: Request) -> Conditions:
    if_match = request.headers.get("if-match")
    if_none_match = request.headers.get("if-none-match")
    if if_match is not None and "," in if_match:
        raise Invalid("If-Match takes one ETag, or '*'.", target="If-Match")
    if if_none_match not in (None, "*"):
        raise Invalid("Only 'If-None-Match: *' is understood.", target="If-None-Match")
    return Conditions(
        None if if_match in (None, "*") else if_match, if_match == "*", if_none_match == "*"
    )


def json_response(
    body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """An ETag among `headers` is put between quotes, as HTTP has it."""
    sent = dict(headers or {})
    if (etag := sent.get("ETag")) and not etag.endswith('"'):
        sent["ETag"] = f'"{etag}"'
    return JSONResponse(body, status_code=status, headers=sent)


def render_resource(
    resource: TrackedResource, id: str, type: str, read_only: Mapping[str, Any]
) -> dict[str, Any]:
    """A tracked resource as ARM shows it; `read_only` joins its properties."""
    properties = resource.properties  # type: ignore[attr-defined]  # every subclass has them
    body = {
        "id": id,
        "name": resource.name,
        "type": f"{PROVIDER}/workspaces/{type}",
        "location": resource.location,
        "tags": resource.tags,
        "identity": wire.to_wire(resource.identity) if resource.identity else None,
        "kind": resource.kind,
        "sku": wire.to_wire(resource.sku) if resource.sku else None,
        "properties": {
            **wire.to_wire(properties),
            "provisioningState": resource.provisioning_state.value,
            **read_only,
        },
        "systemData": system_data(resource),
    }
    return body


def system_data(resource: Any) -> dict[str, Any]:
    """Who made it and who changed it last; all in it are applications."""
    return {
        "createdAt": resource.created_at.isoformat(),
        "createdBy": resource.created_by,
        "createdByType": "Application",
        "lastModifiedAt": resource.modified_at.isoformat(),
        "lastModifiedBy": resource.modified_by,
        "lastModifiedByType": "Application",
    }
