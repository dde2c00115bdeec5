"""Where callers reach this installation, as answers tell them."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from urllib.parse import urlsplit

from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ports import CallerAddresses

Handler = Callable[[Request], Awaitable[Response]]

_origin: ContextVar[str | None] = ContextVar("origin", default=None)
"""How the caller of this invocation reached us, where a trusted proxy says so."""


class Addresses:
    """Links lead to `base_url`, and for a caller behind a trusted proxy to where that proxy says
    that it was asked, below the base URL's own path. Each endpoint has a name of its own below
    `scoring_domain`, which may have a port of its own; None: they are told apart by the
    path. Online endpoints are asked below `scoring_url`, where gateways of their own are."""

    def __init__(
        self,
        base_url: str,
        scoring_domain: str | None,
        callers: CallerAddresses,
        scoring_url: str | None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._scoring_url = scoring_url
        parts = urlsplit(self._base_url)
        self._path = parts.path
        self._callers = callers
        self._domain = scoring_domain
        if scoring_domain and ":" not in scoring_domain and parts.port is not None:
            self._domain = f"{scoring_domain}:{parts.port}"
        self._below = f".{_without_port(scoring_domain)}" if scoring_domain else ""
        self._scheme = parts.scheme

    @property
    def base_url(self) -> str:
        """For the invocation under way."""
        origin = _origin.get()
        return self._base_url if origin is None else origin + self._path

    def absolute(self, path: str) -> str:
        return self.base_url + path

    def of_endpoint(self, endpoint: str) -> str:
        """What stands before `/score`, `/jobs` and `/swagger.json` of an endpoint."""
        if self._domain is None:
            return self.absolute(f"/endpoints/{endpoint}")
        return f"{self._scheme}://{endpoint.lower()}.{self._domain}"

    def of_online_endpoint(self, endpoint: str) -> str:
        """What stands before `/score` and `/swagger.json` of an online endpoint."""
        if self._scoring_url is None:
            return self.of_endpoint(endpoint)
        return f"{self._scoring_url}/endpoints/{endpoint}"

    def endpoint_of_host(self, request: Request) -> str:
        """That the request's host name stands for: its first label, which is all that it has
        before the scoring domain, where there is one. '' for none."""
        host: str = request.headers.get("host", "")
        if not self._below:
            label, dot, _ = host.partition(".")
            return label if dot else ""
        name = _without_port(host).lower()
        label = name.removesuffix(self._below)
        return label if label != name and "." not in label else ""

    def settled(self, handler: Handler) -> Handler:
        """`handler`, with each request as its caller sent it to the first trusted proxy."""
        if not self._callers.has_proxies:
            return handler

        async def settled(req: Request) -> Response:
            self._callers.settle(req.scope)
            token = _origin.set(req.scope.get("state", {}).get("origin"))
            try:
                return await handler(req)
            finally:
                _origin.reset(token)

        return settled


def _without_port(host: str) -> str:
    return host.lower().partition(":")[0].rstrip(".")


def client_address(request: Request) -> str:
    """Whom a request comes from, as logs and limits go by it; '' where nobody knows."""
    return request.client.host if request.client else ""
