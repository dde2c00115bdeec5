"""A small client of the REST API, enough to follow the examples with.

It speaks to a running host through its HTTP door only; where that is and how to
authenticate stands in the `connection.json` the host writes.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

API_VERSION = "2024-10-01"
_SECRET_KEPT = 45 * 60.0
"""Seconds: a datastore's secret is good for an hour."""


class CallFailed(Exception):
    """An answer that was an error: `status` and ARM's envelope, read out."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            error = response.json()["error"]
            text = f"{error['code']}: {error['message']}"
            for detail in error.get("details") or []:
                text += f"\n  - {detail.get('target') or ''}: {detail['message']}"
        except (ValueError, KeyError, TypeError):
            text = response.text[:2000]
        super().__init__(
            f"{response.request.method} {response.request.url.path}: {response.status_code} {text}"
        )
        self.status = response.status_code


class Workspace:
    """The control plane of one workspace. Use as a context manager."""

    def __init__(self, connection_file: Path) -> None:
        self.connection = json.loads(connection_file.read_text())
        ca_file = self.connection["ca_file"]
        self.tls: ssl.SSLContext | bool = (
            ssl.create_default_context(cafile=ca_file) if ca_file else True
        )
        self.http = httpx.Client(verify=self.tls, timeout=60)
        self._token = ""
        self._token_ends = 0.0
        self._stores: dict[str, tuple[str, str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def token(self) -> str:
        """A bearer token, by the client-credentials flow; asked for anew before it ends."""
        if time.monotonic() > self._token_ends:
            answer = self.http.post(
                self.connection["token_url"],
                data={
                    "grant_type": "client_credentials",
                    "client_id": self.connection["client_id"],
                    "client_secret": self.connection["client_secret"],
                },
            )
            answer.raise_for_status()
            body = answer.json()
            self._token = body["access_token"]
            self._token_ends = time.monotonic() + float(body["expires_in"]) - 60
        return self._token

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> httpx.Response:
        """One call to a path below the workspace, or to a whole URL. Raises CallFailed."""
        if not url.startswith("http"):
            url = f"{self.connection['url']}{self.connection['workspace']}/{url}"
        response = self.http.request(
            method,
            url,
            json=body,
            params=None if "?" in url else {"api-version": API_VERSION},
            headers={"Authorization": f"Bearer {self.token()}", **headers},
        )
        if response.status_code >= 400:
            raise CallFailed(response)
        return response

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", path).json()
        return found

    def mutate(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        waiting: Callable[[str], None] = lambda status: None,
    ) -> None:
        """A PUT, PATCH, POST or DELETE, polled to its end by ARM's rules. Raises CallFailed
        for a refusal and RuntimeError for an operation that failed."""
        response = self.call(method, path, body)
        status_url = response.headers.get("Azure-AsyncOperation")
        while status_url:
            status = self.call("GET", status_url).json()
            waiting(status["status"])
            if status["status"] == "Succeeded":
                return
            if status["status"] in ("Failed", "Canceled"):
                error = status.get("error") or {}
                raise RuntimeError(
                    f"{path}: {status['status']}: {error.get('code')}: {error.get('message')}"
                )
            time.sleep(0.1)

    def upload(self, kind: str, name: str, version: str, source: Path) -> str:
        """Upload a file or a folder for an asset version, and return the URI to register."""
        started = self.call(
            "POST",
            f"{kind}/{name}/versions/{version}/startPendingUpload",
            {"pendingUploadType": "TemporaryBlobReference"},
        ).json()["blobReferenceForConsumption"]
        address, _, query = started["credential"]["sasUri"].partition("?")
        for path, blob in _files(source):
            with path.open("rb") as content:
                answer = self.http.put(
                    f"{address}/{quote(blob)}?{query}",
                    content=content,
                    headers={
                        "x-ms-blob-type": "BlockBlob",
                        "Content-Length": str(path.stat().st_size),
                    },
                )
            if answer.status_code >= 400:
                raise CallFailed(answer)
        uri: str = started["blobUri"]
        return f"{uri}/{quote(source.name)}" if source.is_file() else uri

    def put_blob(self, datastore: str, name: str, source: Path) -> None:
        """Put a file into a datastore, by the URL that its secret makes."""
        answer = self.http.put(
            self._blob_url(datastore, name),
            content=source.read_bytes(),
            headers={"x-ms-blob-type": "BlockBlob"},
        )
        if answer.status_code >= 400:
            raise CallFailed(answer)

    def read_blob(self, datastore: str, name: str) -> str:
        return self.read_bytes(datastore, name).decode()

    def read_bytes(self, datastore: str, name: str) -> bytes:
        answer = self.http.get(self._blob_url(datastore, name))
        if answer.status_code >= 400:
            raise CallFailed(answer)
        return answer.content

    def _blob_url(self, datastore: str, name: str) -> str:
        if self._stores.get(datastore, ("", "", 0.0))[2] < time.monotonic():
            properties = self.get(f"datastores/{datastore}")["properties"]
            secret = self.call("POST", f"datastores/{datastore}/listSecrets").json()["sasToken"]
            address = f"{properties['protocol']}://{properties['endpoint']}"
            if properties["protocol"] == "https" and "/" not in properties["endpoint"]:
                address = f"https://{properties['accountName']}.blob.{properties['endpoint']}"
            self._stores[datastore] = (
                f"{address}/{properties['containerName']}",
                secret,
                time.monotonic() + _SECRET_KEPT,
            )
        address, secret, _ = self._stores[datastore]
        return f"{address}/{quote(name)}?{secret}"


def _files(source: Path) -> Iterator[tuple[Path, str]]:
    if source.is_file():
        yield source, source.name
        return
    for path in sorted(source.rglob("*")):
        if path.is_file():
            yield path, path.relative_to(source).as_posix()
