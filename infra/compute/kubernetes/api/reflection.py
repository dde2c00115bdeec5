"""What a cluster has of one kind, kept as it changes."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import DomainError, Unavailable
from infra.compute.kubernetes.api.kubernetes_api import ApiRefusal, Kind, KubernetesApi, Object

_log = logging.getLogger("ml_endpoints.kubernetes")

_GONE: Final = 410
_FIRST: Final = 0.25
_LONGEST: Final = 10.0
_BEGINS: Final = 30.0
"""Seconds in which the first list has to come."""


class Reflection:
    """Of those that `selector` means. Listed once, then watched: a watch that ends is resumed where
    it ended, and listed anew where that is too long ago. Begins with its first use."""

    def __init__(
        self,
        api: KubernetesApi,
        kind: Kind,
        namespace: str,
        selector: str,
    ) -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._query: Mapping[str, str] = {"labelSelector": selector}
        self._objects: dict[str, Object] = {}
        self._version: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._trouble: DomainError | ApiRefusal | None = None
        self._looked = asyncio.Event()

    async def objects(self) -> Sequence[Object]:
        """As they were a moment ago. Raises Unavailable where that is not known, and ApiRefusal
        where it may not be."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"watch of {self._kind.plural}")
        if not self._looked.is_set():
            try:
                async with asyncio.timeout(_BEGINS):
                    await self._looked.wait()
            except TimeoutError:
                told = f"The cluster has not listed its {self._kind.plural} in {_BEGINS:.0f} s."
                raise Unavailable(told) from None
        if isinstance(self._trouble, ApiRefusal):
            raise ApiRefusal(self._trouble.status, self._trouble.reason, self._trouble.message)
        if self._trouble is not None:
            raise Unavailable(str(self._trouble))
        return list(self._objects.values())

    def learn(self, object: Object) -> None:
        """What a call of this host's own has answered, which its watch will say later. What that
        has said already is older news: the object may have gone since."""
        if _number(object["metadata"]) > _number({"resourceVersion": self._version}):
            self._objects[object["metadata"]["name"]] = object

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        wait = _FIRST
        while True:
            try:
                if self._version is None:
                    await self._list()
                self._see(None)
                await self._watch()
                wait = _FIRST
            except ApiRefusal as refusal:
                if refusal.status == _GONE:
                    self._version = None
                    continue
                self._version = None
                self._see(refusal)
            except Unavailable as error:
                self._see(error)
            except Exception as error:  # what is no JSON, or breaks off in a line
                _log.warning("A watch of %s broke off: %r", self._kind.plural, error)
                self._version = None
            # Not all hosts at once, where a server comes back.
            await asyncio.sleep(wait * (0.5 + random.random()))
            wait = min(wait * 2, _LONGEST)

    async def _list(self) -> None:
        listed = await self._api.list(self._kind, self._namespace, self._query)
        self._objects = {each["metadata"]["name"]: each for each in listed.items}
        self._version = listed.version

    async def _watch(self) -> None:
        version = self._version or ""
        async for event in self._api.watch(self._kind, self._namespace, self._query, version):
            object = event["object"]
            meta = object["metadata"]
            self._version = str(meta["resourceVersion"])
            if event["type"] == "BOOKMARK":
                continue
            if event["type"] == "DELETED":
                self._objects.pop(meta["name"], None)
            else:
                self._objects[meta["name"]] = object

    def _see(self, trouble: DomainError | ApiRefusal | None) -> None:
        if trouble is not None and str(trouble) != str(self._trouble):
            _log.warning("The %s of the cluster are not seen: %s", self._kind.plural, trouble)
        self._trouble = trouble
        self._looked.set()


def _number(meta: Object) -> int:
    """Versions are opaque to clients by their contract, and numbers in every server; what is none
    counts as old."""
    version = str(meta.get("resourceVersion", ""))
    return int(version) if version.isdecimal() else 0
