"""Who may ask the embedded issuer for tokens: clients, their roles, their secrets' hashes."""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from domain.errors import Conflict, Invalid, NotFound
from domain.ground.access import role_fault
from domain.values import Value
from infra.embedded.access.private_files import write_private

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Client(Value):
    """A client as kept: its secret only as a hash (the secrets are random and long, so a
    plain SHA-256 cannot be searched)."""

    client_id: str
    name: str
    role: str
    secret_hash: str
    created_at: datetime


class ClientCredentials(Value):
    """What a client logs in with; shown once, when it is made."""

    client_id: str
    client_secret: str


class ClientRegistry:
    """The clients of one data folder, shared with `python -m infra.embedded clients` through
    the file: a change there holds at the next token request. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clients.json"
        self._lock_file = folder / "clients.lock"
        self._connection_file = folder / "connection-client.json"

    def list(self) -> Sequence[Client]:
        """Every client, oldest first."""
        try:
            content = json.loads(self._file.read_bytes())
            return [Client.from_document(client) for client in content["clients"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{self._file.name} is damaged: {error}", code="BadClients") from error

    def add(self, name: str, role: str) -> ClientCredentials:
        """Raises Conflict if the name is taken, Invalid for a bad name or role."""
        if not _NAME.fullmatch(name):
            raise Invalid(f"`{name}` is no client name: letters, digits, `.`, `_`, `-`; up to 64")
        if fault := role_fault(role):
            raise Invalid(fault)
        credentials = ClientCredentials(
            client_id=str(uuid.uuid4()), client_secret=secrets.token_urlsafe(32)
        )
        client = Client(
            client_id=credentials.client_id,
            name=name,
            role=role,
            secret_hash=_digest(credentials.client_secret),
            created_at=datetime.now(UTC),
        )
        with self._locked():
            clients = self.list()
            if any(known.name == name for known in clients):
                raise Conflict(f"there is a client `{name}` already")
            self._save([*clients, client])
        return credentials

    def remove(self, name: str) -> None:
        """Tokens already issued to it live out their hour. Raises NotFound."""
        with self._locked():
            clients = self.list()
            rest = [client for client in clients if client.name != name]
            if len(rest) == len(clients):
                raise NotFound(f"there is no client `{name}`")
            self._save(rest)

    def authenticate(self, client_id: str, client_secret: str) -> Client | None:
        """The client, or None; how long it takes tells nothing of why."""
        digest = _digest(client_secret)
        found: Client | None = None
        for client in self.list():
            same_id = hmac.compare_digest(_bytes(client.client_id), _bytes(client_id))
            same_secret = hmac.compare_digest(client.secret_hash, digest)
            if same_id and same_secret:
                found = client
        return found

    def connection_client(self) -> ClientCredentials:
        """The owner that connection.json names: made at first start, the same ever after
        unless it has been removed, and then made anew."""
        try:
            kept = ClientCredentials.from_document(json.loads(self._connection_file.read_bytes()))
            if self.authenticate(kept.client_id, kept.client_secret):
                return kept
        except (FileNotFoundError, ValueError, ValidationError):
            pass  # Not made yet, or damaged: either way a new one is made.
        names = {client.name for client in self.list()}
        name = next(n for n in _owner_names() if n not in names)
        made = self.add(name, "owner")
        write_private(self._connection_file, json.dumps(made.to_document()).encode())
        return made

    def _save(self, clients: Sequence[Client]) -> None:
        content = {"clients": [client.to_document() for client in clients]}
        write_private(self._file, json.dumps(content, indent=2).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _owner_names() -> Iterator[str]:
    yield "owner"
    number = 2
    while True:
        yield f"owner-{number}"
        number += 1


def _digest(secret: str) -> str:
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(given: str) -> bytes:
    """What a caller sent, even if it is no proper text."""
    return given.encode(errors="surrogatepass")
