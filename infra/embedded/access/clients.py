"""Who may ask the embedded issuer for tokens: clients, their roles, their secrets' hashes."""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from domain.errors import Conflict, Invalid, NotFound
from domain.ground.access import role_fault, roles_of
from domain.usage.rehearsing import rehearse_client
from domain.values import Value
from infra.embedded.access.private_files import write_private

TOKEN_PATH = "/oauth2/v2.0/token"
"""Where they ask for tokens."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OWNER = "owner"


class Client(Value):
    """A client as kept: its secret only as a hash (the secrets are random and long, so a
    plain SHA-256 cannot be searched)."""

    client_id: str
    name: str
    role: str
    secret_hash: str
    created_at: datetime

    @property
    def is_owner(self) -> bool:
        """Of the whole workspace."""
        return _OWNER in roles_of(self.role)

    @property
    def version(self) -> str:
        """Another with every change of its role or its secret; tells nothing of the secret."""
        return hashlib.sha256(f"{self.role}\n{self.secret_hash}".encode()).hexdigest()[:16]


Check = Callable[[Client], None]


def unconditionally(client: Client) -> None:
    pass


class ClientCredentials(Value):
    """What a client logs in with; shown once, when it is made."""

    client_id: str
    client_secret: str


class ClientRegistry:
    """The clients of one data folder, shared with `python -m infra.embedded clients` through
    the file: a change there holds at the next token request. Blocking."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clients.json"
        """What is replaced whole with every change of a client."""
        self._lock_file = folder / "clients.lock"
        self._connection_file = folder / "connection-client.json"

    def list(self) -> Sequence[Client]:
        """Every client, oldest first."""
        try:
            content = json.loads(self.file.read_bytes())
            return [Client.from_document(client) for client in content["clients"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(f"{self.file.name} is damaged: {error}", code="BadClients") from error

    def find(self, name: str) -> Client | None:
        return next((client for client in self.list() if client.name == name), None)

    def add(self, name: str, role: str) -> ClientCredentials:
        """Raises Conflict if the name is taken, Invalid for a bad name or role."""
        if not _NAME.fullmatch(name):
            told = f"`{name[:64]}` is no client name: letters, digits, `.`, `_`, `-`; up to 64"
            raise Invalid(told, code="InvalidName", target="name")
        _check(role)
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
            rehearse_client(name, None, role)
            self._save([*clients, client])
        return credentials

    def change_role(self, name: str, role: str, check: Check = unconditionally) -> None:
        """Tokens that were issued to it are good no more. Raises NotFound, Invalid, Conflict for
        the last owner, and what `check` raises."""
        _check(role)
        with self._locked():
            client = self._known(name)
            check(client)
            self._replace(client, client.but(role=role))

    def renew(self, name: str) -> ClientCredentials:
        """A new secret; the one before, and tokens that were issued for it, are good no more.
        Raises NotFound."""
        secret = secrets.token_urlsafe(32)
        with self._locked():
            client = self._known(name)
            self._replace(client, client.but(secret_hash=_digest(secret)))
            renewed = ClientCredentials(client_id=client.client_id, client_secret=secret)
            kept = self._kept_connection_client()
            if kept is not None and kept.client_id == client.client_id:
                self._keep_connection_client(renewed)
        return renewed

    def remove(self, name: str, check: Check = unconditionally) -> None:
        """Tokens that were issued to it are good no more. Raises NotFound, Conflict for the last
        owner, and what `check` raises."""
        with self._locked():
            client = self._known(name)
            check(client)
            self._replace(client, None)

    def _known(self, name: str) -> Client:
        client = self.find(name)
        if client is None:
            raise NotFound(f"there is no client `{name[:64]}`")
        return client

    def _replace(self, client: Client, new: Client | None) -> None:
        clients = [each for each in self.list() if each.client_id != client.client_id]
        owners = [each for each in (*clients, new) if each is not None and each.is_owner]
        if client.is_owner and not owners:
            raise Conflict(
                f"`{client.name}` is the last owner: without one nobody could make clients. "
                "Make another owner first.",
                code="LastOwner",
            )
        rehearse_client(client.name, client.role, None if new is None else new.role)
        if new is None:
            self._save(clients)
        else:
            self._save([new if each.name == new.name else each for each in self.list()])

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
        kept = self._kept_connection_client()
        if kept is not None and self.authenticate(kept.client_id, kept.client_secret):
            return kept
        names = {client.name for client in self.list()}
        name = next(n for n in _owner_names() if n not in names)
        made = self.add(name, _OWNER)
        self._keep_connection_client(made)
        return made

    def _kept_connection_client(self) -> ClientCredentials | None:
        """None too for a file that is damaged: then another is made."""
        try:
            return ClientCredentials.from_document(json.loads(self._connection_file.read_bytes()))
        except (FileNotFoundError, ValueError, ValidationError):
            return None

    def _keep_connection_client(self, client: ClientCredentials) -> None:
        write_private(self._connection_file, json.dumps(client.to_document()).encode())

    def _save(self, clients: Sequence[Client]) -> None:
        content = {"clients": [client.to_document() for client in clients]}
        write_private(self.file, json.dumps(content, indent=2).encode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def _check(role: str) -> None:
    if fault := role_fault(role):
        raise Invalid(fault, target="properties.role")


def _digest(secret: str) -> str:
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(given: str) -> bytes:
    """What a caller sent, even if it is no proper text."""
    return given.encode(errors="surrogatepass")
