"""What a host shows to an API server."""

import asyncio
import json
import os
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from domain.errors import Unavailable

_FRESH: Final = 60.0
_LIMIT: Final = 60.0


class Credentials(Protocol):
    @abstractmethod
    async def token(self) -> str | None:
        """A bearer token; None where something else is shown, or nothing. Raises Unavailable."""

    @abstractmethod
    def refused(self) -> None:
        """What was shown last was not taken."""


class Nothing(Credentials):
    """A client's certificate, or nothing."""

    async def token(self) -> str | None:
        return None

    def refused(self) -> None:
        """There is nothing else."""


class FixedToken(Credentials):
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str | None:
        return self._token

    def refused(self) -> None:
        """There is no other."""


class TokenFile(Credentials):
    """Read again each minute: a pod's token is another one every hour."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._read_at = -_FRESH

    async def token(self) -> str | None:
        if time.monotonic() - self._read_at >= _FRESH:
            try:
                self._token = (await asyncio.to_thread(self._path.read_text)).strip()
            except OSError as error:
                raise Unavailable(f"The token of the cluster cannot be read: {error}.") from None
            self._read_at = time.monotonic()
        return self._token

    def refused(self) -> None:
        self._read_at = -_FRESH


class HelpedToken(Credentials):
    """Of a helper program, as kubectl runs it (client.authentication.k8s.io), such as kubelogin.
    Asked anew a minute before its token is over."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], version: str) -> None:
        self._command = command
        self._variables = variables
        self._version = version
        self._token = ""
        self._ends = 0.0
        self._turn = asyncio.Lock()

    async def token(self) -> str | None:
        async with self._turn:
            if not self._token or time.time() > self._ends - _FRESH:
                await self._ask()
            return self._token

    def refused(self) -> None:
        self._token = ""

    async def _ask(self) -> None:
        about = {"apiVersion": self._version, "kind": "ExecCredential"}
        wish = {**about, "spec": {"interactive": False}}
        told = {**os.environ, **self._variables, "KUBERNETES_EXEC_INFO": json.dumps(wish)}
        name = self._command[0]
        try:
            async with asyncio.timeout(_LIMIT):
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env=told,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                printed, complained = await process.communicate()
            if process.returncode:
                words = complained.decode(errors="replace").strip()[-500:]
                raise Unavailable(f"{name}, which gives tokens of the cluster, failed: {words}")
            status = json.loads(printed)["status"]
            self._token = str(status["token"])
            ends = status.get("expirationTimestamp")
            self._ends = datetime.fromisoformat(ends).timestamp() if ends else float("inf")
        except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{name} gave no token of the cluster: {error!r}.") from None
