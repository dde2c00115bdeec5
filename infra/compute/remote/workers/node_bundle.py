"""Several quick units on one node, asked for together: what a request to its agent takes is shared.

It is the quick way alone. Whatever does not go as it should, or takes longer, goes on unit by unit.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from domain.ports import BrokenOff, InstanceLost, UnitRequest
from infra.compute.http.unix_http import UnixHttp
from infra.compute.remote.remote_scorer import SECRET, proof_of
from infra.compute.remote.workers.unit_turns import NodeLease
from infra.compute.remote.workers.unit_wire import Lent, Told, as_json, lines, once, unit_of

_log = logging.getLogger("ml_endpoints.remote")

_WAIT: Final = 2
"""Seconds: those of a bundle take next to none."""
_HEAD: Final = 20.0
_SILENT: Final = 20.0
_PROOF: Final = "ml-endpoints-node"


class NodeBundle:
    """`told` is called with each attempt's outcome as it comes."""

    def __init__(
        self, http: UnixHttp, secret: str, lease: NodeLease, told: Callable[[str, Told], None]
    ) -> None:
        self._http = http
        self._secret = secret
        self._lease = lease
        self._told = told
        self._may_have_begun = False

    async def run(
        self,
        key: str,
        most: int,
        requests: Sequence[UnitRequest],
        lent: Lent,
        collected: Sequence[str],
    ) -> bool:
        """Until nothing more is to be told here. Whether the node may know of those that were not
        told of."""
        units = {each.attempt_id: unit_of(each, lent) for each in requests}
        body = {"job": key, "most": most, "authority": lent.authority, "units": units}
        wire = as_json({**body, "collected": list(collected)})
        asking = asyncio.create_task(self._ask(wire))
        try:
            either: set[asyncio.Future[Any]] = {asking, self._lease.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking.result()
        except (InstanceLost, BrokenOff, TimeoutError, ValueError, KeyError) as error:
            _log.debug("%s: %r", self._lease.node.id, error)
            if not (isinstance(error, InstanceLost) and not error.sent):
                self._may_have_begun = True
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return self._may_have_begun or self._lease.lost.done()

    async def _ask(self, body: bytes) -> None:
        answer = await self._http.request(
            self._lease.node.address,
            "POST",
            f"/node/units?wait={_WAIT}",
            [(SECRET, self._secret), ("content-type", "application/json")],
            body,
            timeout=_HEAD,
        )
        pieces = once(answer.body) if isinstance(answer.body, bytes) else answer.body
        try:
            is_its = dict(answer.headers).get(_PROOF) == proof_of(self._secret)
            if is_its and answer.status != 200:
                return
            self._may_have_begun = True
            if not is_its:
                return
            async for event in lines(pieces, _SILENT):
                if event["event"] == "outcome":
                    self._told(str(event["unit"]), event["outcome"])
        finally:
            with suppress(Exception):
                await pieces.aclose()  # type: ignore[attr-defined]  # a generator, as all stores give
