"""Nodes that are to go, told so by their own door: an app's ingress goes with it."""

import asyncio
import json
from typing import Final

from domain.ports import InstanceLost
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET

_QUICK: Final = 5.0
_LOOK: Final = 0.5


class AppDraining:
    """Knows the secrets of groups that this host has worked towards."""

    def __init__(self, http: UnixHttp) -> None:
        self._http = http
        self._secrets: dict[str, str] = {}

    def know(self, group: str, secret: str) -> None:
        self._secrets[group] = secret

    def forget(self, group: str) -> None:
        self._secrets.pop(group, None)

    async def drained(self, address: str, group: str, within: float) -> None:
        """Once nothing is under way there any more, or nobody answers; at the latest `within`
        seconds, for which it waits where it does not know the secret."""
        secret = self._secrets.get(group)
        if secret is None:
            await asyncio.sleep(within)
            return
        try:
            async with asyncio.timeout(within):
                await self._asked(address, "POST", "/node/drain", secret)
                while True:
                    if await self._is_over(address, secret):
                        return
                    await asyncio.sleep(_LOOK)
        except (InstanceLost, TimeoutError, ValueError):
            return

    def close(self) -> None:
        self._http.close()

    async def _is_over(self, address: str, secret: str) -> bool:
        told = json.loads(await self._asked(address, "GET", "/node/state", secret))
        return not isinstance(told, dict) or told.get("over") is not False

    async def _asked(self, address: str, method: str, path: str, secret: str) -> bytes:
        headers = [(SECRET, secret)]
        answer = await self._http.request(address, method, path, headers, timeout=_QUICK)
        if isinstance(answer.body, bytes):
            return answer.body
        await answer.body.aclose()
        return b""
