"""Secrets at rest, sealed anew once another key seals: so the one before can be taken away."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from domain.assets.packages import connection
from domain.batch import batch_endpoint
from domain.errors import DocumentExists, DocumentNotFound, Invalid, NewerSchema, StaleETag
from domain.events import event_subscription
from domain.inbound import event_mapping
from domain.online import online_endpoint
from domain.ports import Cipher, Create, Document, Json, Replace, ResourceStore, all_documents

SEALED: Mapping[str, frozenset[str]] = {
    online_endpoint.KIND: frozenset({"sealed"}),
    batch_endpoint.KIND: frozenset({"sealed"}),
    event_mapping.KIND: frozenset({"sealed"}),
    event_subscription.KIND: frozenset({"sealed_key", "sealed_previous_key"}),
    connection.KIND: frozenset({"sealed_credentials"}),
}
"""By kind of document: the fields, at whatever depth, that are sealed."""
KIND = "secretRenewing"
PARTITION = "secrets"
ID = "renewing"

_USERS_OWN = frozenset({"properties", "tags", "workload"})
"""What users name themselves."""
_RACES = 5
_log = logging.getLogger("ml_endpoints.secrets")


@dataclass
class _Round:
    renewed: int = 0
    unreadable: int = 0
    left: int = 0


@final
class SecretRenewing:
    """`elsewhere` are sealed fields of other kinds, which say not by which key."""

    def __init__(
        self, store: ResourceStore, cipher: Cipher, elsewhere: Mapping[str, frozenset[str]]
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._sealed = {**SEALED, **elsewhere}

    async def renew(self) -> int:
        """Seal everything anew that another key than the first has sealed, and say how many
        documents that were. Once a look finds nothing left to do, no more is taken until the key
        changes: a host that still had the last key may have sealed something after the look
        before."""
        key = self._cipher.key_id
        if key is None:
            return 0
        mark = await self._find()
        if mark is not None and mark.body.get("sealed_by") == key:
            return 0
        found = _Round()
        for kind in self._sealed:
            async for document in all_documents(self._store, kind):
                await self._renew(document, key, found)
        if not found.renewed and not found.left:
            await self._done(mark, key, found)
        return found.renewed

    async def _renew(self, document: Document, key: str, found: _Round) -> None:
        latest: Document | None = document
        for _ in range(_RACES):
            if latest is None:
                return
            unreadable: list[str] = []
            fields = self._sealed[latest.body["kind"]]
            names_key = latest.body["kind"] in SEALED
            body = self._anew(latest.body, fields, key if names_key else None, unreadable)
            if body == latest.body:
                found.unreadable += len(unreadable)
                return
            try:
                write = Replace(latest.id, body, latest.etag, latest.due_at)
                await self._store.transact(latest.partition, [write])
            except (StaleETag, DocumentNotFound):
                latest = await self._get(latest.partition, latest.id)
                continue
            found.renewed += 1
            return
        found.left += 1

    def _anew(
        self, body: Any, fields: frozenset[str], key: str | None, unreadable: list[str]
    ) -> Any:
        """`body` with what is sealed in it sealed by `key`."""
        if isinstance(body, list):
            return [self._anew(each, fields, key, unreadable) for each in body]
        if not isinstance(body, dict):
            return body
        done: Json = {}
        for name, value in body.items():
            if name in fields and isinstance(value, str):
                sealed = self._renewed(value, unreadable)
                if sealed is not None and key is not None:
                    done["sealed_by"] = key
                done[name] = sealed or value
            elif name == "sealed_by" and name in done:
                continue
            elif name in _USERS_OWN:
                done[name] = value
            else:
                done[name] = self._anew(value, fields, key, unreadable)
        return done

    def _renewed(self, sealed: str, unreadable: list[str]) -> str | None:
        try:
            return self._cipher.renewed(sealed)
        except Invalid:
            unreadable.append(sealed)
            return None

    async def _done(self, mark: Document | None, key: str, found: _Round) -> None:
        body = {"kind": KIND, "sealed_by": key}
        write = Replace(ID, body, mark.etag) if mark else Create(ID, body)
        try:
            await self._store.transact(PARTITION, [write])
        except (StaleETag, DocumentExists, DocumentNotFound):
            return
        if found.unreadable:
            _log.error(
                "%d secrets cannot be opened with any key that this installation has: what they "
                "belong to needs new ones",
                found.unreadable,
                extra={"action": "secrets_lost"},
            )
        _log.info(
            "Every other secret is sealed with the key %s: earlier keys can be taken away",
            key,
            extra={"action": "secrets_renewed"},
        )

    async def _find(self) -> Document | None:
        return await self._get(PARTITION, ID)

    async def _get(self, partition: str, id: str) -> Document | None:
        try:
            return await self._store.get(partition, id)
        except (DocumentNotFound, NewerSchema):
            return None
