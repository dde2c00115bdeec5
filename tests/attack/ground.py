"""A host under attack: what is on it, and who is known there."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from examples.client import API_VERSION
from outside import serving
from outside.running_host import ROOT, RunningHost


@dataclass(frozen=True)
class Attempt:
    """One thing that was tried; `held`: the host did not let it happen."""

    what: str
    held: bool
    seen: str = ""


@dataclass
class Ground:
    """`mine` and `theirs` are online endpoints, each with a deployment; clients are limited to
    one of them, or to a role."""

    host: RunningHost
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def http(self) -> httpx.Client:
        return self.host.workspace.http

    def url(self, path: str) -> str:
        """Of a path below the workspace, or of a whole one."""
        if path.startswith("/"):
            return f"{self.host.url}{path}"
        return f"{self.host.url}{self.host.connection['workspace']}/{path}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        as_: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request, by a client's name or with no credential."""
        sent = dict(headers or {})
        if as_ is not None:
            sent["authorization"] = f"Bearer {self.token(as_)}"
        return self.http.request(
            method,
            self.url(path),
            json=body,
            headers=sent,
            params=None if "?" in path else {"api-version": API_VERSION},
        )

    def token(self, role: str) -> str:
        """Of a client that has just this role; `owner` is the host's own."""
        if role == "owner":
            return self.host.workspace.token()
        if role not in self.tokens:
            self.tokens[role] = self._made(role)
        return self.tokens[role]

    def _made(self, role: str) -> str:
        name = role.replace("/", "-").lower()
        added = subprocess.run(
            [
                *(sys.executable, "-m", "infra.embedded", "clients", "add", name),
                *("--role", role, "--data-dir", str(self.host.data_dir)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        client = dict(zip(added[::2], added[1::2], strict=True))
        answer = self.http.post(
            self.host.connection["token_url"], data={"grant_type": "client_credentials", **client}
        )
        token: str = answer.json()["access_token"]
        return token


@contextmanager
def ground(host: RunningHost) -> Iterator[Ground]:
    """Lay out what is attacked on a running host."""
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    for name in ("mine", "theirs"):
        serving.endpoint(host, name)
        serving.deploy(host, f"{name}/blue", code)
        serving.traffic(host, name, blue=100)
    yield Ground(host)


def refused(answer: httpx.Response, *codes: int) -> bool:
    """Whether it is one of these statuses, in ARM's envelope, with nothing of the inside."""
    inside = ("Traceback", "site-packages", "sqlite", '.py"')
    return answer.status_code in codes and not any(word in answer.text for word in inside)
