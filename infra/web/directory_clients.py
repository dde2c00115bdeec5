"""Who has which role here of the users, groups, applications and managed identities of a
directory (Entra ID) that somebody else keeps: role assignments of this installation's own.

A token that was asked for another application's audience, such as Azure ML's, carries none of
our app roles: who it is of, its `oid` and `groups`, is all that it says of rights here.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from domain.errors import Conflict, DocumentNotFound, Invalid, NotFound, StaleETag, Unsupported
from domain.ground.access import role_fault, roles_of
from domain.ports import (
    Clients,
    Clock,
    Create,
    Delete,
    Document,
    NewSecret,
    RegisteredClient,
    Replace,
    ResourceStore,
    SignedIn,
    Write,
    all_documents,
)
from domain.ports.identity import Check
from domain.usage.rehearsing import rehearse_client
from infra.web.client_standing import ClientStanding
from infra.web.token_rights import Claims, TokenRights, claimed

KIND = "directoryClient"
CHANGES_KIND = "directoryClientChanges"
PARTITION = "directory-clients"
CHANGES = "changes"
MAX_CLIENTS = 1000
"""Every gateway holds all of them. A group stands for any number of people."""

_USABLE = 2.0
"""Seconds for which what was read is gone by."""
_ATTEMPTS = 5
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DirectoryClients(Clients):
    """Named by their object ids. Each change is one transaction with a mark of it, by which every
    gateway knows that it has to read them anew."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def token_path(self) -> None:
        return None

    async def list(self) -> Sequence[RegisteredClient]:
        found = [_client(document) for document in await documents(self._store)]
        return sorted(found, key=lambda client: (client.created_at, client.id))

    async def get(self, name: str) -> RegisteredClient:
        found = await self._find(_object_id(name))
        if found is None:
            raise NotFound(f"Nothing in the directory is given a role here as '{name[:64]}'.")
        return _client(found)

    async def put(self, name: str, role: str, check: Check) -> RegisteredClient | NewSecret:
        id = _object_id(name)
        if fault := role_fault(role):
            raise Invalid(f"{fault}.", target="properties.role")
        for _ in range(_ATTEMPTS):
            old = await self._find(id)
            check(_client(old) if old else None)
            if old is None and len(await documents(self._store)) >= MAX_CLIENTS:
                raise Conflict(
                    f"{MAX_CLIENTS} have roles here, which is as many as there may be. Give roles "
                    "to groups of the directory instead."
                )
            created_at = _client(old).created_at if old else self._clock.now()
            body = {"kind": KIND, "role": role, "created_at": created_at.isoformat()}
            write = Replace(id, body, old.etag) if old else Create(id, body)
            rehearse_client(id, old.body["role"] if old else None, role)
            if (done := await self._changed(write)) is not None:
                return _client(done[0])
        raise Conflict(f"'{id}' is being changed by somebody else. Try again.")

    async def renew_secret(self, name: str) -> NewSecret:
        raise Unsupported(
            "Secrets of applications are Entra ID's: `az ad app credential reset --id <client id>` "
            "makes a new one. Managed identities need none."
        )

    async def remove(self, name: str, check: Check) -> bool:
        id = _object_id(name)
        for _ in range(_ATTEMPTS):
            old = await self._find(id)
            check(_client(old) if old else None)
            if old is None:
                return False
            rehearse_client(id, old.body["role"], None)
            if await self._changed(Delete(id, old.etag)) is not None:
                return True
        raise Conflict(f"'{id}' is being changed by somebody else. Try again.")

    async def token(self, client: RegisteredClient, lifetime: timedelta) -> SignedIn:
        raise Unsupported("Tokens are Entra ID's: who is signed in there has one.")

    async def _find(self, id: str) -> Document | None:
        try:
            return await self._store.get(PARTITION, id)
        except DocumentNotFound:
            return None

    async def _changed(self, write: Write) -> Sequence[Document] | None:
        """None if somebody else was faster."""
        mark = await self._find(CHANGES)
        count = int(mark.body["count"]) + 1 if mark else 1
        body = {"kind": CHANGES_KIND, "count": count}
        marked = Replace(CHANGES, body, mark.etag) if mark else Create(CHANGES, body)
        try:
            return await self._store.transact(PARTITION, [write, marked])
        except (StaleETag, DocumentNotFound, Conflict):
            return None


class DirectoryRights(TokenRights, ClientStanding):
    """What this installation gives to whom a token is of, and to the groups that it names; and
    its app roles, in a token for one of `audiences`: those of another application mean nothing
    here. What was taken away counts no longer than two seconds. One event loop owns it."""

    def __init__(
        self,
        store: ResourceStore,
        audiences: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._audiences = frozenset(audiences)
        self._clock = clock
        self._read_at = -_USABLE
        self._mark: str | None = None
        self._given: Mapping[str, frozenset[str]] = {}
        self._epoch = 0
        self._reading = asyncio.Lock()

    @property
    def epoch(self) -> int:
        if not self._is_usable():
            # Whatever was taken on trust is to be asked for anew.
            self._epoch += 1
        return self._epoch

    async def holds(self, subject: str, version: str) -> bool:
        """Who is in the directory is for its issuer to say; of rights, see `roles`."""
        return True

    async def roles(self, claims: Claims) -> frozenset[str]:
        await self._refresh()
        who = claims.get("oid")
        of = claimed(claims, "groups") | ({who} if isinstance(who, str) else set())
        given = frozenset(role for id in of for role in self._given.get(id.casefold(), ()))
        return given | claimed(claims, "roles") if self._is_ours(claims) else given

    def _is_ours(self, claims: Claims) -> bool:
        told = claims.get("aud")
        audiences = told if isinstance(told, list) else [told]
        return not self._audiences.isdisjoint(a for a in audiences if isinstance(a, str))

    def _is_usable(self) -> bool:
        return self._clock() - self._read_at < _USABLE

    async def _refresh(self) -> None:
        async with self._reading:
            if self._is_usable():
                return
            begun = self._clock()
            try:
                mark = (await self._store.get(PARTITION, CHANGES)).etag
            except DocumentNotFound:
                mark = None
            if mark != self._mark:
                # After the mark: what changes meanwhile has another, and is read again.
                found = await documents(self._store)
                self._given = {each.id: frozenset(roles_of(each.body["role"])) for each in found}
                self._mark = mark
                self._epoch += 1
            self._read_at = begun


async def documents(store: ResourceStore) -> list[Document]:
    return [each async for each in all_documents(store, KIND, partition=PARTITION)]


def _object_id(name: str) -> str:
    id = name.casefold()
    if not _OBJECT_ID.fullmatch(id):
        raise Invalid(
            f"'{name[:64]}' is no object id. Users, groups, applications and managed identities "
            "are named here by the one that they have in Entra ID: `az ad user show --id <mail> "
            "--query id`, `az ad group show`, `az ad sp show`, `az identity show --query "
            "principalId`.",
            target="name",
        )
    return id


def _client(document: Document) -> RegisteredClient:
    body = document.body
    at = datetime.fromisoformat(body["created_at"])
    return RegisteredClient(document.id, document.id, body["role"], at, document.etag)
