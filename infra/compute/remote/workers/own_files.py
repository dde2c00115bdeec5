"""What scripts on nodes write to a folder of their own (AZUREML_BI_OUTPUT_PATH), brought into the
blob store: a unit counts once its files are there."""

import asyncio
import json
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from domain.errors import Unavailable
from domain.ports import BlobFolder, BlobStore, BrokenOff, InstanceLost
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET, proof_of
from infra.compute.remote.workers.pool_record import PoolNode
from infra.rules import blob_names

_log = logging.getLogger(__name__)

_ASKED: Final = 20.0
_STALL: Final = 60.0
_AT_ONCE: Final = 8
_PROOF: Final = "ml-endpoints-node"
_KEPT: Final = 1024


class OwnFiles:
    """A file is a blob of the same path below the output's folder; one that is changed later is
    brought again, whole. Of two nodes that write the same path the last one's stays."""

    def __init__(self, http: UnixHttp, blobs: BlobStore) -> None:
        self._http = http
        self._blobs = blobs
        self._since: dict[str, int] = {}
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def publish(self, node: PoolNode, secret: str, output: BlobFolder) -> None:
        """What was written there before this call is in the store. Raises Unavailable where the
        node does not give it, and what the store does."""
        turn = self._turns.setdefault(node.id, asyncio.Lock())
        async with turn:
            since, now, after = self._since.get(node.id, 0), 0, ""
            more = True
            while more:
                query = f"since={since}&after={quote(after, safe='')}"
                told = await self._listed(node, secret, query)
                now = now or int(told["now"])
                files = [str(each) for each in told["files"]]
                for start in range(0, len(files), _AT_ONCE):
                    some = files[start : start + _AT_ONCE]
                    await asyncio.gather(*(self._bring(node, secret, f, output) for f in some))
                more = bool(told["more"]) and bool(files)
                after = files[-1] if files else ""
            if len(self._since) > _KEPT:
                self._since.clear()
            self._since[node.id] = now

    async def _listed(self, node: PoolNode, secret: str, query: str) -> dict[str, Any]:
        pieces = [piece async for piece in self._asked(node, secret, query)]
        try:
            told: dict[str, Any] = json.loads(b"".join(pieces))
            return {"now": int(told["now"]), "files": list(told["files"]), "more": told["more"]}
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{node.id} lists no files of its scripts: {error!r}") from error

    async def _bring(self, node: PoolNode, secret: str, name: str, output: BlobFolder) -> None:
        blob = f"{output.path}/{name}" if output.path else name
        fault = blob_names.fault_of(blob)
        if fault is not None:
            shown = name.encode(errors="replace").decode()[:200]
            _log.warning("The output file %r cannot be a blob: %s", shown, fault)
            return
        content = self._asked(node, secret, f"path={quote(name, safe='')}")
        try:
            first = await anext(content, b"")
        except _Missing:
            return  # a temporary file of the script
        await self._blobs.write(output.container, blob, _with(first, content))

    async def _asked(self, node: PoolNode, secret: str, query: str) -> AsyncIterator[bytes]:
        """Raises Unavailable, and _Missing."""
        try:
            answer = await self._http.request(
                node.address, "GET", f"/node/output?{query}", [(SECRET, secret)], timeout=_ASKED
            )
            proof = dict(answer.headers).get(_PROOF)
            if answer.status == 404 and proof == proof_of(secret):
                raise _Missing
            if answer.status != 200 or proof != proof_of(secret):
                raise Unavailable(f"{node.id} answered {answer.status} about its scripts' files.")
            if isinstance(answer.body, bytes):
                yield answer.body
                return
            while True:
                async with asyncio.timeout(_STALL):
                    piece = await anext(answer.body, None)
                if piece is None:
                    return
                yield piece
        except (InstanceLost, BrokenOff, TimeoutError) as error:
            raise Unavailable(f"{node.id} does not give its scripts' files: {error}") from error


class _Missing(Exception):
    """The file is not there any more, or cannot be read."""


async def _with(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
