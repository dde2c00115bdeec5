"""Scoring on this machine's instances."""

import asyncio
from collections import OrderedDict
from typing import Final

from domain.errors import Throttled
from domain.ports import (
    Instance,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    UnitOutcome,
    UnitRequest,
)
from infra.compute.failure import StartFailure
from infra.compute.local_compute import LocalCompute
from infra.compute.unit_run import UnitRun

_PATIENCE: Final = 15.0
"""Seconds for a workload to come up under a unit's key, after a restart of the host say."""


class LocalScorer(Scorer):
    """`max_attempts` bounds the units under way or ended and not collected."""

    def __init__(self, compute: LocalCompute, *, max_attempts: int = 1000) -> None:
        self._compute = compute
        self._http = compute.http
        self._max_attempts = max_attempts
        self._attempts: OrderedDict[str, asyncio.Task[UnitOutcome]] = OrderedDict()

    async def close(self) -> None:
        """Give up the units under way."""
        attempts = list(self._attempts.values())
        self._attempts.clear()
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

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

    async def run_unit(self, key: str, request: UnitRequest, *, wait: float) -> UnitOutcome | None:
        attempt = self._attempts.get(request.attempt_id)
        if attempt is None:
            self._make_room()
            attempt = asyncio.create_task(
                self._run(key, request), name=f"unit {request.attempt_id}"
            )
            self._attempts[request.attempt_id] = attempt
        await asyncio.wait({attempt}, timeout=wait)
        if not attempt.done():
            return None
        if self._attempts.get(request.attempt_id) is attempt:
            del self._attempts[request.attempt_id]
        return attempt.result()

    def _make_room(self) -> None:
        """Forget the oldest attempt that has ended: whoever asked for it is gone, and its
        unit will come again as another attempt."""
        if len(self._attempts) < self._max_attempts:
            return
        for attempt_id, attempt in self._attempts.items():
            if attempt.done():
                if not attempt.cancelled():
                    attempt.exception()
                del self._attempts[attempt_id]
                return
        raise Throttled(f"{self._max_attempts} units are under way on this host.")

    async def _run(self, key: str, request: UnitRequest) -> UnitOutcome:
        try:
            lease = await self._compute.lease_worker(key, patience=_PATIENCE)
        except StartFailure as failure:
            return UnitOutcome((), lost=f"{failure.code}: {failure.reason}")
        try:
            outcome = await UnitRun(self._http, lease, request).outcome()
        finally:
            lease.release()
        if outcome.lost is None:
            # Before anybody records the unit: this machine may be gone then.
            await self._compute.publish(key)
        return outcome
