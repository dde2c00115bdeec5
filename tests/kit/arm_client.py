"""A client that follows long-running operations by ARM's rules and no knowledge of ours."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

TERMINAL = {"Succeeded", "Failed", "Canceled"}


class ArmClient:
    """`between` is what happens between two polls: in a test, the host's part."""

    def __init__(
        self, http: httpx.AsyncClient, scope: str, between: Callable[[], Awaitable[object]]
    ) -> None:
        self.http = http
        self._scope = scope
        self._between = between

    def url(self, path: str) -> str:
        return f"{self._scope}/{path}" if path else self._scope

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(self.url(path), **options)

    async def put(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.http.put(self.url(path), json=body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.http.patch(self.url(path), json=body, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.http.post(self.url(path), json=body, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.delete(self.url(path), **options)

    async def finish(self, reply: httpx.Response) -> httpx.Response:
        """The final answer to a mutation: what a client is left with when it is over."""
        if reply.status_code == 204:
            return reply
        assert reply.status_code in (200, 201, 202), reply.text
        monitor = _absolute(reply.headers.get("Azure-AsyncOperation"))
        location = _absolute(reply.headers.get("Location"))
        method = reply.request.method
        if method == "PUT":
            assert reply.json()["properties"]["provisioningState"] not in TERMINAL
        else:
            assert reply.status_code == 202
            assert location, "a 202 says where to look"
        if method == "DELETE":
            return await self._follow(location or "")
        state = await self._monitor(monitor or "")
        if state["status"] != "Succeeded":
            return httpx.Response(200, json=state)
        final = location if method == "POST" else str(reply.request.url)
        return await self.http.get(final or "")

    async def _monitor(self, url: str) -> dict[str, Any]:
        for _ in range(100):
            reply = await self.http.get(url)
            assert reply.status_code == 200, reply.text
            state: dict[str, Any] = reply.json()
            if state["status"] in TERMINAL:
                assert "Retry-After" not in reply.headers
                return state
            assert int(reply.headers["Retry-After"]) >= 1
            await self._between()
        raise AssertionError("the operation does not end")

    async def _follow(self, url: str) -> httpx.Response:
        for _ in range(100):
            reply = await self.http.get(url)
            if reply.status_code != 202:
                return reply
            assert int(reply.headers["Retry-After"]) >= 1
            url = _absolute(reply.headers["Location"]) or ""
            await self._between()
        raise AssertionError("the operation does not end")


def _absolute(url: str | None) -> str | None:
    assert url is None or url.startswith(("http://", "https://")), url
    return url
