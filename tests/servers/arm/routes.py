"""The stand-in's HTTP: Azure Resource Manager's, the door for tokens of a managed identity, and the
platform's log streams."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from tests.servers.arm import registry_routes
from tests.servers.arm.manager import Manager
from tests.servers.arm.records import Operation, Refused
from tests.servers.arm.registry_routes import RegistryRoutes

TOKEN: Final = "a-token-of-the-stand-in"
LOG_TOKEN: Final = "a-token-for-logs"
HEADER: Final = "the-identity-header"
_VERSION: Final = "2026-01-01"
_GROUP: Final = r"/subscriptions/[^/]+/resourceGroups/[^/]+"
_APPS: Final = rf"{_GROUP}/providers/Microsoft\.App/containerApps"
_REGISTRY: Final = registry_routes.REGISTRIES
_PAGE: Final = 20

Asked = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """`url` and `address` are told once it listens."""

    def __init__(self, manager: Manager, registry: RegistryRoutes) -> None:
        self._manager = manager
        self._registry = registry
        self.url = ""
        self.address = ""
        self._working: set[asyncio.Task[None]] = set()
        told: tuple[tuple[str, str, str, Asked], ...] = (
            ("GET", "list apps", _APPS, self._list),
            ("GET", "get app", rf"{_APPS}/[^/]+", self._get),
            ("PUT", "put app", rf"{_APPS}/[^/]+", self._put),
            ("DELETE", "delete app", rf"{_APPS}/[^/]+", self._delete),
            ("POST", "get log token", rf"{_APPS}/[^/]+/getAuthtoken", self._log_token),
            ("GET", "get revision", rf"{_APPS}/[^/]+/revisions/[^/]+", self._revision),
            ("GET", "list replicas", rf"{_APPS}/[^/]+/revisions/[^/]+/replicas", self._replicas),
            (
                "GET",
                "get environment",
                rf"{_GROUP}/providers/Microsoft\.App/managedEnvironments/[^/]+",
                self._environment,
            ),
            (
                "GET",
                "get operation",
                r"/subscriptions/[^/]+/providers/Microsoft\.App/locations/.+",
                self._operation,
            ),
            (
                "POST",
                "begin upload",
                rf"{_REGISTRY}/listBuildSourceUploadUrl",
                registry.upload_place,
            ),
            ("POST", "begin run", rf"{_REGISTRY}/scheduleRun", registry.schedule),
            ("GET", "list runs", rf"{_REGISTRY}/runs", registry.listed),
            ("GET", "get run", rf"{_REGISTRY}/runs/[^/]+", registry.get),
            ("POST", "cancel run", rf"{_REGISTRY}/runs/[^/]+/cancel", registry.cancel),
            ("POST", "get log link", rf"{_REGISTRY}/runs/[^/]+/listLogSasUrl", registry.log_link),
        )
        self._routes = [(m, k, re.compile(p, re.IGNORECASE), a) for m, k, p, a in told]

    @property
    def app(self) -> web.Application:
        made = web.Application(client_max_size=8 * 2**20)
        made.router.add_get("/msi/token", self._identity)
        made.router.add_put("/acr/uploads/{place:.+}", self._registry.put_blob)
        made.router.add_get("/acr/logs{run:.+}", self._registry.read_log)
        made.router.add_get("/logstream/{rest:.+}", self._stream)
        made.router.add_route("*", "/{rest:.+}", self._arm)
        return made

    async def close(self) -> None:
        await asyncio.gather(*self._working, return_exceptions=True)
        await self._registry.close()

    # -- what every call goes by

    async def _arm(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        try:
            kind, answer = self._route(request.method, path)
            self._manager.calls[kind] += 1
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "AuthenticationFailed", "Authentication failed.")
            is_of_registry = "/Microsoft.ContainerRegistry/" in path
            version = registry_routes.VERSION if is_of_registry else _VERSION
            if request.query.get("api-version") != version:
                raise Refused(400, "InvalidApiVersionParameter", "The api-version is invalid.")
            self._manager.throttle.take(request.method)
            fault = self._manager.fault(request.method, path)
            if fault is not None and not fault.lost:
                raise Refused(
                    fault.status, fault.code, fault.message, retry_after=fault.retry_after
                )
            answered = await answer(request)
            if fault is not None and request.transport is not None:
                request.transport.abort()  # done, and nobody hears of it
            return answered
        except Refused as refused:
            headers = {}
            if refused.retry_after is not None:
                headers["Retry-After"] = str(refused.retry_after)
            return web.json_response(refused.body, status=refused.status, headers=headers)

    def _route(self, method: str, path: str) -> tuple[str, Asked]:
        for asked, kind, pattern, answer in self._routes:
            if asked == method and pattern.fullmatch(path):
                return kind, answer
        raise Refused(404, "InvalidResourceType", f"{method} {path} is nothing here.")

    def _begin(self, operation: Operation) -> dict[str, str]:
        if not self._manager.is_slow:
            task = asyncio.create_task(asyncio.to_thread(self._manager.work, operation))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        at = f"{self.url}{operation.id}?api-version={_VERSION}"
        return {"Azure-AsyncOperation": at, "Location": at, "Retry-After": "1"}

    # -- apps

    async def _list(self, request: web.Request) -> web.StreamResponse:
        group = request.path.partition("/providers/")[0]
        listed = self._manager.listed(group)
        start = int(request.query.get("$skiptoken", 0))
        body: dict[str, Any] = {"value": listed[start : start + _PAGE]}
        if start + _PAGE < len(listed):
            link = request.url.update_query({"$skiptoken": str(start + _PAGE)})
            body["nextLink"] = str(link)
        return web.json_response(body)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._manager.app(request.path).shown)

    async def _put(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        condition = request.headers.get("If-None-Match", "")
        app, operation, is_new = self._manager.put(request.path, body, condition)
        headers = self._begin(operation)
        return web.json_response(app.shown, status=201 if is_new else 200, headers=headers)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        try:
            operation = self._manager.delete(request.path)
        except Refused as refused:
            if refused.status == 404:
                return web.Response(status=204)
            raise
        return web.Response(status=202, headers=self._begin(operation))

    async def _revision(self, request: web.Request) -> web.StreamResponse:
        app = self._manager.app(request.path.partition("/revisions/")[0])
        parts = await asyncio.to_thread(self._manager.runs.parts, app)
        is_well = parts is not None and all(each.ready for each in parts)
        told = {
            "active": True,
            "healthState": "Healthy" if is_well else "Unhealthy",
            "runningState": "Running" if is_well else "Processing",
            "provisioningError": app.error.message if app.error is not None else "",
        }
        return web.json_response({"name": app.revision, "properties": told})

    async def _replicas(self, request: web.Request) -> web.StreamResponse:
        app = self._manager.app(request.path.partition("/revisions/")[0])
        parts = await asyncio.to_thread(self._manager.runs.parts, app)
        if parts is None:
            return web.json_response({"value": []})
        log = f"{self.url}/logstream{app.id}"
        told = {"runningState": "Running", "containers": [each.body(log) for each in parts]}
        named = {"name": f"{app.revision}-1", "properties": told}
        return web.json_response({"value": [named]})

    async def _environment(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._manager.environment(request.path).body(self.address))

    async def _operation(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._manager.operation(request.path).body)

    # -- tokens and logs

    async def _identity(self, request: web.Request) -> web.StreamResponse:
        """As App Service has it."""
        if request.headers.get("X-IDENTITY-HEADER") != HEADER:
            return web.json_response({"statusCode": 401}, status=401)
        told = {"access_token": TOKEN, "expires_on": "4000000000", "token_type": "Bearer"}
        return web.json_response({**told, "resource": request.query.get("resource", "")})

    async def _log_token(self, request: web.Request) -> web.StreamResponse:
        self._manager.app(request.path.removesuffix("/getAuthtoken"))
        told = {"token": LOG_TOKEN, "expires": "2099-01-01T00:00:00Z"}
        return web.json_response({"properties": told})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {LOG_TOKEN}":
            return web.Response(status=401)
        id, _, part = (
            request.path.removeprefix("/logstream").removesuffix("/logstream").rpartition("/")
        )
        try:
            app = self._manager.app(id)
        except Refused as refused:
            return web.json_response(refused.body, status=refused.status)
        tail = int(request.query.get("tailLines", 20))
        return web.Response(text=await asyncio.to_thread(self._manager.runs.log, app, part, tail))
