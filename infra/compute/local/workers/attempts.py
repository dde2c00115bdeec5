"""The attempts of units that this host has under way, or ended and nobody has collected."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from domain.ports import InstanceLost, UnitOutcome, UnitRequest
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.held_attempts import HeldAttempt, HeldAttempts
from infra.compute.http.unix_http import UnixHttp
from infra.compute.local.instances.supervised_instance import Lease
from infra.compute.local.workers.unit_run import UnitRun, wire
from infra.compute.local.workers.worker_pool import Waiter
from infra.compute.local.workers.worker_pools import WorkerPools

_PREPARE_TIMEOUT: Final = 5.0
_FEW: Final = 64
"""Files that are lent and taken back on the loop: it takes less than to come back to it."""


class Attempts:
    """Units on the workers of `pools`. `publish` brings what a job's workers wrote by themselves
    into the blob store. `max_attempts` bounds the units under way or ended and not collected.
    One that has found no worker in `lease_wait` seconds is left waiting by its caller."""

    def __init__(
        self,
        pools: WorkerPools,
        http: UnixHttp,
        publish: Callable[[str], Awaitable[None]],
        *,
        max_attempts: int,
        lease_wait: float,
    ) -> None:
        self._pools = pools
        self._http = http
        self._publish = publish
        self._held = HeldAttempts(max_attempts, lease_wait)
        self._waiting: set[Waiter] = set()

    async def close(self) -> None:
        """Give up the units under way."""
        await self._held.close()

    async def run(self, key: str, request: UnitRequest, wait: float) -> UnitOutcome | None:
        attempt = self._held.get(request.attempt_id)
        if attempt is None:
            waiter = Waiter(asyncio.get_running_loop().create_future())
            attempt = self._held.begin(
                request, waiter.lease, lambda asked: self._run(key, asked, waiter)
            )
        else:
            await self._renew(attempt, request)
        return await self._held.outcome(attempt, wait)

    async def _renew(self, attempt: HeldAttempt, request: UnitRequest) -> None:
        """What a unit is lent is good for an hour, and it may take longer."""
        attempt.request = request
        lease = attempt.lease
        runs = lease.done() and not lease.cancelled() and lease.exception() is None
        if runs and not attempt.task.done() and _is_lent_by_signature(request):
            await self._tell(lease.result().address, "/renew", request)

    async def _run(self, key: str, asked: Callable[[], UnitRequest], waiter: Waiter) -> UnitOutcome:
        preparing, request = None, asked()
        if any(not each.url.startswith("file:") for each in request.mini_batches[0].inputs):
            preparing = asyncio.create_task(self._prepare(key, request, waiter))
        try:
            lease = await self._pools.lease(key, waiter)
        except StartFailure as failure:
            return UnitOutcome((), lost=f"{failure.code}: {failure.reason}")
        finally:
            self._waiting.discard(waiter)
            if preparing is not None:
                preparing.cancel()
        try:
            outcome = await self._run_on(lease, asked())
        finally:
            lease.release()
        if outcome.lost is None:
            # Before anybody records the unit: this machine may be gone then.
            await self._publish(key)
        return outcome

    async def _run_on(self, lease: Lease, request: UnitRequest) -> UnitOutcome:
        """With the unit's files lent to the worker, where it cannot read them else."""
        desk = lease.desk
        if desk is None:
            return await UnitRun(self._http, lease, request).outcome()
        few = sum(len(each.inputs) for each in request.mini_batches) <= _FEW
        lost = True
        try:
            lent = desk.lend(request) if few else await asyncio.to_thread(desk.lend, request)
            outcome = await UnitRun(self._http, lease, lent).outcome()
            if outcome.lost is None and outcome.length:
                await desk.deliver(request)
            lost = outcome.lost is not None
            return outcome
        except OSError as error:
            return UnitOutcome((), lost=f"The unit's files cannot be lent or taken: {error}.")
        finally:
            if few and not lost:
                desk.clear(tidy=False)
            else:
                await asyncio.to_thread(desk.clear, tidy=lost)

    async def _prepare(self, key: str, request: UnitRequest, waiter: Waiter) -> None:
        """Have a busy worker fetch the unit's first inputs while it scores something else. It
        is only a help: the unit runs wherever a worker comes free first, fetched or not."""
        taken = {each.prepared_on for each in self._waiting if each.prepared_on}
        worker = self._pools.busy_without(key, taken)
        if worker is None or waiter.lease.done():
            return
        waiter.prepared_on = worker
        self._waiting.add(waiter)
        await self._tell(worker.instance.address, "/prepare", request)

    async def _tell(self, address: str, path: str, request: UnitRequest) -> None:
        with contextlib.suppress(InstanceLost, TimeoutError):
            await self._http.request(
                address, "POST", path, body=wire(request), timeout=_PREPARE_TIMEOUT
            )


def _is_lent_by_signature(request: UnitRequest) -> bool:
    urls = [each.url for batch in request.mini_batches for each in batch.inputs]
    return any(not url.startswith("file:") for url in (*urls, request.block_url or "file:"))
