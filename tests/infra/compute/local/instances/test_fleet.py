"""Bringing up what a workload runs while its store has faults."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.errors import DomainError, StorageFull, Throttled, Unavailable
from domain.ports import WorkloadState
from infra.compute.local.instances import fleet
from tests.infra.compute.conftest import House

KEY = "online/iris/blue"
AWAY = Unavailable("The store is away.", retry_after=0)
BUSY = Throttled("The store is busy.", retry_after=0)


class Faults:
    """Reading the store meets these, one each, before anything is read again."""

    def __init__(
        self, house: House, faults: list[DomainError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.left = faults
        self._read = house.blobs.read
        monkeypatch.setattr(house.blobs, "read", self._next)
        monkeypatch.setattr(fleet, "PAUSES", (0.01, 0.01, 0.01))

    async def _next(self, *blob: Any, **part: Any) -> AsyncIterator[bytes]:
        if self.left:
            raise self.left.pop(0)
        async for piece in self._read(*blob, **part):
            yield piece


async def test_faults_of_the_store_that_pass_are_waited_out(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workload = await house.workload()
    faults = Faults(house, [AWAY, BUSY, AWAY], monkeypatch)
    await house.serving.ensure(workload)
    # Fails the test should it ever be seen as failed.
    await house.reach(KEY, WorkloadState.READY)
    assert not faults.left
    assert caplog.text.count(f"{KEY} is prepared again soon") == 3


async def test_a_fault_that_stays_is_told_and_the_next_ensure_tries_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = await house.workload()
    faults = Faults(house, [AWAY] * 4, monkeypatch)
    await house.serving.ensure(workload)
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert failed.code == "ResourceNotReady"
    assert "The store is away." in str(failed.reason)
    assert not faults.left
    await house.serving.ensure(workload)
    await house.reach(KEY, WorkloadState.READY)


async def test_a_full_disk_is_not_waited_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = await house.workload()
    faults = Faults(house, [StorageFull("The disk is full."), AWAY], monkeypatch)
    await house.serving.ensure(workload)
    failed = await house.reach(KEY, WorkloadState.FAILED)
    assert "The disk is full." in str(failed.reason)
    assert faults.left == [AWAY]
