"""Scoring on this machine's instances."""

from domain.ports import Instance, Scorer, ScoringRequest, ScoringResponse
from infra.compute.http.unix_http import UnixHttp


class LocalScorer(Scorer):
    """An instance's address is the path of its Unix socket."""

    def __init__(self, http: UnixHttp) -> None:
        self._http = http

    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        target = f"{request.path}?{request.query}" if request.query else request.path
        status, headers, body = await self._http.request(
            instance.address,
            request.method,
            target,
            request.headers,
            request.body,
            timeout=timeout,
        )
        return ScoringResponse(status, headers, body)
