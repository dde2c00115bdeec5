"""Scoring on nodes, by the door of their agents (docs/node-agent.md)."""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final

from domain.ports import Instance, InstanceLost, Scorer, ScoringRequest, ScoringResponse
from infra.compute.http.http_answer import ResponseBody
from infra.compute.http.unix_http import UnixHttp

SECRET: Final = "ml-endpoints-node-secret"
_PREFIX: Final = "ml-endpoints-node"
_REASON: Final = "ml-endpoints-node-reason"
_NOT_BEGUN: Final = frozenset({"starting", "draining", "failed"})
_LOST: Final = _NOT_BEGUN | {"worker-lost"}


@lru_cache(maxsize=4096)
def proof_of(secret: str) -> str:
    """What a node that has the secret puts on its answers."""
    return hmac.new(secret.encode(), b"ml-endpoints node", hashlib.sha256).hexdigest()


class RemoteScorer(Scorer):
    """`secret_of` says what an instance is shown. An answer without the node's proof
    was made by something in between, whatever it says."""

    def __init__(self, http: UnixHttp, secret_of: Callable[[Instance], str | None]) -> None:
        self._http = http
        self._secret_of = secret_of

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        secret = self._secret_of(instance)
        if secret is None:
            raise InstanceLost("The instance is not there any more.", sent=False)
        target = f"{request.path}?{request.query}" if request.query else request.path
        status, headers, body = await self._http.request(
            instance.address,
            request.method,
            target,
            [(SECRET, secret), *((n, v) for n, v in request.headers if not n.startswith(_PREFIX))],
            request.body,
            timeout=timeout,
        )
        proof, reason, kept = "", "", []
        for header in headers:
            name = header[0]
            if not name.startswith(_PREFIX):
                kept.append(header)
            elif name == _PREFIX:
                proof = header[1]
            elif name == _REASON:
                reason = header[1]
        if not hmac.compare_digest(proof.encode(), proof_of(secret).encode()):
            await _let_go(body)
            told = f"Something between here and the instance answered, with status {status}."
            raise InstanceLost(told, sent=True)
        if reason in _LOST:
            await _let_go(body)
            raise InstanceLost(f"The instance says: {reason}.", sent=reason not in _NOT_BEGUN)
        return ScoringResponse(status, kept, body)


async def _let_go(body: "bytes | ResponseBody") -> None:
    if not isinstance(body, bytes):
        with suppress(Exception):
            await body.aclose()
