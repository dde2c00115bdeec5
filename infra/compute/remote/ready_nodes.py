"""Who takes requests: a document for each endpoint, that gateways read with its route."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import DocumentNotFound
from domain.ports import Document, Instance, ResourceStore
from infra.compute.remote import serving_record
from infra.compute.remote.serving_record import partition_of

KIND: Final = "readyInstances"
DOCUMENT_ID: Final = "ready"
SEALED: Final = {each: frozenset({"secret"}) for each in (KIND, serving_record.KIND)}
"""By kind of document: the fields that the installation's cipher has sealed."""


@dataclass(frozen=True)
class ReadyNodes:
    """Of one deployment: its nodes' sealed secret, each node's id and address, and how many
    processes answer there."""

    secret: str
    nodes: tuple[tuple[str, str], ...]
    workers: int = 1


def body_of(deployments: Mapping[str, ReadyNodes]) -> dict[str, Any]:
    """By key. Those that have none are left out."""
    return {
        "kind": KIND,
        "deployments": {
            key: {
                "secret": each.secret,
                "nodes": [list(node) for node in each.nodes],
                "workers": each.workers,
            }
            for key, each in sorted(deployments.items())
            if each.nodes
        },
    }


def read_body(body: Mapping[str, Any]) -> dict[str, ReadyNodes]:
    return {
        key: ReadyNodes(
            each["secret"],
            tuple((node[0], node[1]) for node in each["nodes"]),
            each.get("workers", 1),
        )
        for key, each in body["deployments"].items()
    }


@dataclass(frozen=True)
class _Known:
    etag: str
    instances: Mapping[str, tuple[Instance, ...]]
    secrets: Mapping[str, str]


class KnownNodes:
    """What this host has read of these documents. `unseal` opens a secret, once for each change
    of a document."""

    def __init__(self, store: ResourceStore, unseal: Callable[[str], str]) -> None:
        self._store = store
        self._unseal = unseal
        self._known: dict[str, _Known] = {}
        self._secrets: dict[str, str] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    def instances(self, key: str) -> Sequence[Instance]:
        known = self._known.get(partition_of(key))
        return known.instances.get(key, ()) if known is not None else ()

    def secret_of(self, instance: Instance) -> str | None:
        """What it is shown; None for one that has not been here lately."""
        return self._secrets.get(instance.id)

    async def refresh(self, keys: Sequence[str]) -> None:
        """As it was when this was called, or later. Raises what the store does."""
        partitions = {partition_of(key) for key in keys}
        await asyncio.gather(*(self._read_once(each) for each in partitions))

    async def _read_once(self, partition: str) -> None:
        reading = self._reading.get(partition)
        if reading is not None:
            # It may have seen what was there before this was called.
            await asyncio.wait({reading})
        reading = self._reading.get(partition)
        if reading is None:
            reading = asyncio.create_task(self._read(partition))
            self._reading[partition] = reading
            reading.add_done_callback(lambda _: self._reading.pop(partition, None))
        await asyncio.shield(reading)

    async def _read(self, partition: str) -> None:
        try:
            document = await self._store.get(partition, DOCUMENT_ID)
        except DocumentNotFound:
            self._take(partition, None)
            return
        self.learn(document)

    def learn(self, document: Document) -> None:
        """A document as it is now."""
        known = self._known.get(document.partition)
        if known is not None and known.etag == document.etag:
            return
        instances: dict[str, tuple[Instance, ...]] = {}
        secrets: dict[str, str] = {}
        for key, ready in read_body(document.body).items():
            secret = self._unseal(ready.secret)
            instances[key] = tuple(
                Instance(id, address, ready.workers) for id, address in ready.nodes
            )
            secrets.update((id, secret) for id, _ in ready.nodes)
        self._take(document.partition, _Known(document.etag, instances, secrets))

    def _take(self, partition: str, known: _Known | None) -> None:
        before = self._known.pop(partition, None)
        # Whoever has chosen an instance just before still reaches it.
        kept = {} if before is None else before.secrets
        if known is not None:
            self._known[partition] = known
        there = [each.secrets for each in self._known.values()]
        self._secrets = {**kept, **{id: sec for secrets in there for id, sec in secrets.items()}}
