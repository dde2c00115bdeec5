"""The Blob adapter behind a proxy that injects faults."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from domain import errors
from infra.cloud.blobs.azure_blob_store import AzureBlobStore
from infra.cloud.patience import Patience
from tests.infra.cloud.changed_patience import change
from tests.infra.cloud.storage_fixtures import LONG
from tests.servers.fault_proxy import Fault, FaultProxy, How, answer

pytestmark = pytest.mark.cloud

MIB = 1024 * 1024
OpenBlobs = Callable[..., AzureBlobStore]

QUICK = 3.0
"""A wait that the tests can sit out for an answer that never comes."""

PASSING = {
    "429": answer(429, b"", Retry_After="0"),
    "503": answer(503, b"", x_ms_error_code="ServerBusy"),
    "500": answer(500, b"", x_ms_error_code="InternalError"),
    "cut": Fault(How.CUT),
    "cut answer": Fault(How.CUT_AFTER),
}


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def read(blobs: AzureBlobStore, name: str) -> bytes:
    return b"".join([piece async for piece in blobs.read("system", name)])


async def listed(blobs: AzureBlobStore) -> list[str]:
    return [blob.name async for blob in blobs.list("system")]


@pytest.fixture
def patience() -> Patience:
    return replace(LONG)


@pytest.fixture
async def blobs(
    blob_proxy: FaultProxy, open_blobs: OpenBlobs, patience: Patience
) -> AzureBlobStore:
    blobs = open_blobs(through=blob_proxy, patience=patience)
    await blobs.write("system", "there", b"there")
    await blobs.stage_block("system", "staged", "1", b"staged")
    return blobs


Call = Callable[[AzureBlobStore], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "properties": lambda blobs: blobs.properties("system", "there"),
    "read": lambda blobs: read(blobs, "there"),
    "write": lambda blobs: blobs.write("system", "a", b"x"),
    "write if absent": lambda blobs: blobs.write("system", "a", b"x", if_absent=True),
    "write a stream": lambda blobs: blobs.write("system", "a", pieces(3 * MIB, 3 * MIB)),
    "delete": lambda blobs: blobs.delete("system", "there"),
    "list": listed,
    "stage": lambda blobs: blobs.stage_block("system", "staged", "2", b"x"),
    "commit": lambda blobs: blobs.commit_blocks("system", "staged", ["1"]),
    "commit if absent": lambda blobs: blobs.commit_blocks(
        "system", "staged", ["1"], if_absent=True
    ),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_fault_that_passes_is_not_seen(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, call: Call, fault: Fault
) -> None:
    blob_proxy.next(fault)
    await call(blobs)
    assert blob_proxy.left == 0


async def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, patience: Patience
) -> None:
    change(patience, attempt=QUICK)
    blob_proxy.next(Fault(How.HANG))
    assert await read(blobs, "there") == b"there"
    assert blob_proxy.left == 0


async def test_an_answer_that_breaks_off_is_read_again(
    blobs: AzureBlobStore, blob_proxy: FaultProxy
) -> None:
    content = bytes(range(256)) * 20_000
    await blobs.write("system", "big", content)
    blob_proxy.next(Fault(How.CUT_BODY), when=lambda method, _: method == "GET")
    assert await read(blobs, "big") == content
    assert blob_proxy.left == 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_throttling_that_lasts_is_surfaced_with_its_wait(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, call: Call
) -> None:
    blob_proxy.next(answer(503, b"", x_ms_error_code="ServerBusy", Retry_After="600"))
    with pytest.raises(errors.Throttled) as raised:
        await call(blobs)
    assert raised.value.retry_after == 600.0


async def test_a_fault_that_lasts_is_surfaced_when_the_budget_is_spent(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, patience: Patience
) -> None:
    blob_proxy.next(*[answer(500, b"")] * 100_000)
    tries, budget = 0, 0.5
    while tries < 3:
        # Enough for this machine to try it three times.
        change(patience, budget=budget)
        asked_before = len(blob_proxy.requests)
        with pytest.raises(errors.Unavailable):
            await blobs.write("system", "a", b"x")
        tries = len(blob_proxy.requests) - asked_before
        assert tries <= 120 * budget
        budget *= 2


async def test_a_conditional_write_that_lost_its_answer_knows_itself(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, patience: Patience
) -> None:
    change(patience, attempt=QUICK)
    blob_proxy.next(Fault(How.HANG_AFTER))
    written = await blobs.write("system", "a", b"mine", if_absent=True, metadata={"k": "v"})
    assert written == await blobs.properties("system", "a")
    assert written.metadata == {"k": "v"}


async def test_a_conditional_write_that_met_anothers_blob_is_refused_whatever_broke(
    blobs: AzureBlobStore, blob_proxy: FaultProxy, open_blobs: OpenBlobs
) -> None:
    await open_blobs().write("system", "a", b"another's", if_absent=True)
    blob_proxy.next(Fault(How.CUT_AFTER))
    with pytest.raises(errors.BlobExists):
        await blobs.write("system", "a", b"mine", if_absent=True)
    assert await read(blobs, "a") == b"another's"
