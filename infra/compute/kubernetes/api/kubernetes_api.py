"""The API of a cluster, as far as it is used here."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from domain.errors import Unavailable
from infra.compute.kubernetes.api.cluster_access import ClusterAccess

Object = dict[str, Any]
_QUICK: Final = 30.0
_QUIET: Final = 90.0
"""Seconds after which a watch of which nothing is heard is taken to be broken off: bookmarks come
each minute."""
_APPLY: Final = "application/apply-patch+yaml"
_LINE: Final = 8 * 2**20
_THROTTLED: Final = 429
_PAGE: Final = "500"


class ApiRefusal(Exception):
    """The API server understood, and said no. `status` is HTTP's, `reason` a word such as
    `Forbidden`; a message in the server's own words."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Kind:
    """Of objects: `group_version` as in a path, and the plural."""

    group_version: str
    plural: str
    name: str

    @property
    def api_version(self) -> str:
        return self.group_version.partition("/")[2]

    def path(self, namespace: str, name: str = "", part: str = "") -> str:
        tail = "".join(f"/{each}" for each in (name, part) if each)
        return f"/{self.group_version}/namespaces/{namespace}/{self.plural}{tail}"


PODS: Final = Kind("api/v1", "pods", "Pod")
SERVICES: Final = Kind("api/v1", "services", "Service")
SECRETS: Final = Kind("api/v1", "secrets", "Secret")
SERVICE_ACCOUNTS: Final = Kind("api/v1", "serviceaccounts", "ServiceAccount")
EVENTS: Final = Kind("api/v1", "events", "Event")
DEPLOYMENTS: Final = Kind("apis/apps/v1", "deployments", "Deployment")
SLICES: Final = Kind("apis/discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
BUDGETS: Final = Kind("apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICIES: Final = Kind("apis/networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")


@dataclass(frozen=True)
class Listed:
    items: list[Object]
    version: str


class KubernetesApi:
    """Everything raises ApiRefusal, and Unavailable while the server cannot be asked."""

    def __init__(self, access: ClusterAccess) -> None:
        self.access = access
        self._session: aiohttp.ClientSession | None = None

    async def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Object,
        *,
        manager: str,
        part: str = "",
        is_trial: bool = False,
    ) -> Object:
        """Server-side, as `manager`, who takes what fields others have of it; what others have
        beside stays. Of a trial nothing stays."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        if is_trial:
            query["dryRun"] = "All"
        return await self._call("PATCH", kind.path(namespace, name, part), query, body, _APPLY)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """None for what is not there."""
        try:
            return await self._call("GET", kind.path(namespace, name), {})
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return None
            raise

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> None:
        """A patch of some fields."""
        path = kind.path(namespace, name)
        await self._call("PATCH", path, {}, body, "application/merge-patch+json")

    async def list(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> Listed:
        """All of them, page by page."""
        items: list[Object] = []
        asked = {**query, "limit": _PAGE}
        while True:
            told = await self._call("GET", kind.path(namespace), asked)
            items += told.get("items") or []
            about = told.get("metadata") or {}
            if not about.get("continue"):
                return Listed(items, str(about.get("resourceVersion", "")))
            asked["continue"] = about["continue"]

    async def watch(
        self, kind: Kind, namespace: str, query: Mapping[str, str], version: str
    ) -> AsyncIterator[Object]:
        """What happens after `version`, until the server ends it. Raises ApiRefusal 410 where that
        is too long ago."""
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        asked["resourceVersion"] = version
        async with self._asked("GET", kind.path(namespace), asked, None, "", None) as answer:
            while True:
                async with asyncio.timeout(_QUIET):
                    line = await answer.content.readline()
                if not line:
                    return
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refusal(int(event["object"].get("code", 500)), event["object"])
                yield event

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, grace: int | None = None, uid: str = ""
    ) -> bool:
        """Whether it was there; with `uid`, that very one."""
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        body["propagationPolicy"] = "Background"
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", kind.path(namespace, name), {}, body, "application/json")
        except ApiRefusal as refusal:
            if refusal.status == 404 or (uid and refusal.status == 409):
                return False
            raise
        return True

    async def log(self, namespace: str, pod: str, **query: str) -> str:
        """'' where there is none."""
        path = PODS.path(namespace, pod, "log")
        try:
            async with self._asked("GET", path, query, None, "", _QUICK) as answer:
                return (await answer.read()).decode(errors="replace")
        except ApiRefusal:
            return ""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str = "",
    ) -> Object:
        async with self._asked(method, path, query, body, content_type, _QUICK) as answer:
            try:
                told = await answer.json(content_type=None)
            except ValueError as error:
                raise Unavailable(f"{self.access.server} answers with no JSON: {error}") from None
        return dict(told)

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content_type: str,
        limit: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        server = self.access.server
        headers = {"Accept": "application/json"}
        if token := await self.access.credentials.token():
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content_type
        data = json.dumps(body) if body is not None else None
        request = self._open().request(
            method, f"{server}{path}", params=dict(query), data=data, headers=headers
        )
        try:
            async with asyncio.timeout(limit), request as answer:
                if answer.status >= 400:
                    if answer.status == 401:
                        self.access.credentials.refused()
                    raise _of(server, answer.status, await answer.read())
                yield answer
        except TimeoutError as error:
            raise Unavailable(f"The API server {server} does not answer.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"No API server at {server}: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=32, ssl=self.access.tls or False)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                read_bufsize=_LINE,
            )
        return self._session


def _of(server: str, status: int, content: bytes) -> Exception:
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    refusal = _refusal(status, {"message": content.decode(errors="replace")[:500], **told})
    if status >= 500 or status == _THROTTLED:
        return Unavailable(f"The API server {server} fails: {refusal.message}")
    return refusal


def _refusal(status: int, told: Mapping[str, Any]) -> ApiRefusal:
    message = str(told.get("message") or f"status {status}").strip()
    return ApiRefusal(status, str(told.get("reason") or ""), message)
