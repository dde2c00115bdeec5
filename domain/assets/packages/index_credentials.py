"""Credentials of package indexes, at rest and for a build."""

import json
from urllib.parse import urlsplit

from domain.assets.packages.connection import KIND, PARTITION, Connection, connection_of
from domain.ports import Cipher, Credentials, IndexCredentials, ResourceStore, all_documents


def sealed(cipher: Cipher, credentials: Credentials) -> str:
    return cipher.encrypt(
        json.dumps({"username": credentials.username, "password": credentials.password})
    )


class ConnectionsCredentials(IndexCredentials):
    """Those of the workspace's connections: an index is opened by the one whose target is its URL
    or stands above it, and of several by the one that stands nearest."""

    def __init__(self, store: ResourceStore, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher

    async def of(self, url: str) -> Credentials | None:
        found = all_documents(self._store, KIND, partition=PARTITION)
        connections = [connection_of(document) async for document in found]
        above = [each for each in connections if _is_above(each.properties.target, url)]
        if not above:
            return None
        return self._opened(max(above, key=lambda each: len(each.properties.target)))

    def _opened(self, connection: Connection) -> Credentials | None:
        if connection.sealed_credentials is None:
            return None
        return Credentials(**json.loads(self._cipher.decrypt(connection.sealed_credentials)))


def _is_above(target: str, url: str) -> bool:
    """Whether `url` is on the same server (scheme, host and port), at the path of `target` or
    below it."""
    above, below = urlsplit(target), urlsplit(url)
    if _origin(target) != _origin(url):
        return False
    path = above.path.rstrip("/")
    return below.path.rstrip("/") == path or below.path.startswith(f"{path}/")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
