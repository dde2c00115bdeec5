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
    that it was asked, below the base URL's own path."""

    def __init__(self, base_url: str, callers: CallerAddresses) -> None:
        self._base_url = base_url.rstrip("/")
        self._path = urlsplit(self._base_url).path
        self._callers = callers

    @property
    def base_url(self) -> str:
        """For the invocation under way."""
        origin = _origin.get()
        return self._base_url if origin is None else origin + self._path

    def absolute(self, path: str) -> str:
        return self.base_url + path

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


def client_address(request: Request) -> str:
    """Whom a request comes from, as logs and limits go by it; '' where nobody knows."""
    return request.client.host if request.client else ""
