"""What every blob store does with blocks."""

import asyncio

import pytest

from domain import errors
from domain.ports import BlobStore
from tests.contract.blobs import content, names


async def test_blocks_are_joined_in_the_order_of_the_commit(blobs: BlobStore) -> None:
    for id in ("0003", "0001", "0002"):
        await blobs.stage_block("system", "out/a.csv", id, f"<{id}>".encode())
    assert await names(blobs) == []
    ids = ["0002", "0003", "0002", "0001"]
    committed = await blobs.commit_blocks(
        "system", "out/a.csv", ids, content_type="text/csv", metadata={"job": "j"}
    )
    assert await content(blobs, "out/a.csv") == b"<0002><0003><0002><0001>"
    assert committed == await blobs.properties("system", "out/a.csv")
    assert (committed.size, committed.content_type) == (24, "text/csv")
    assert committed.metadata == {"job": "j"}


async def test_staging_an_id_again_replaces_the_block(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"one, and longer")
    await blobs.stage_block("system", "a", "1", b"two")
    await blobs.commit_blocks("system", "a", ["1"])
    assert await content(blobs, "a") == b"two"


async def test_a_commit_drops_the_blocks_it_leaves_out(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"one")
    await blobs.stage_block("system", "a", "2", b"two")
    await blobs.commit_blocks("system", "a", ["1"])
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("system", "a", ["1", "2"])
    assert await content(blobs, "a") == b"one"


async def test_a_repeated_commit_finds_its_blocks_committed(blobs: BlobStore) -> None:
    for id in ("1", "2"):
        await blobs.stage_block("system", "a", id, id.encode() * 3)
    await blobs.commit_blocks("system", "a", ["2", "1"])
    await blobs.commit_blocks("system", "a", ["2", "1"])
    assert await content(blobs, "a") == b"222111"
    await blobs.stage_block("system", "a", "3", b"333")
    await blobs.commit_blocks("system", "a", ["1", "3", "2"])
    assert await content(blobs, "a") == b"111333222"


async def test_an_unknown_block_is_refused_and_the_others_stay(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"one")
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("system", "a", ["1", "2"])
    assert await names(blobs) == []
    await blobs.commit_blocks("system", "a", ["1"])
    assert await content(blobs, "a") == b"one"


async def test_blocks_belong_to_their_blob(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"one")
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("system", "b", ["1"])
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("batch-inbox", "a", ["1"])


async def test_committing_no_blocks_makes_an_empty_blob(blobs: BlobStore) -> None:
    committed = await blobs.commit_blocks("system", "a", [])
    assert committed.size == 0
    assert await content(blobs, "a") == b""


async def test_an_empty_block_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(errors.Invalid):
        await blobs.stage_block("system", "a", "1", b"")


async def test_block_ids_of_one_blob_have_one_length(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "01", b"x")
    with pytest.raises(errors.Invalid):
        await blobs.stage_block("system", "a", "001", b"x")
    await blobs.stage_block("system", "b", "001", b"x")


@pytest.mark.parametrize("id", ["", "x" * 65])
async def test_a_block_id_out_of_bounds_is_refused(blobs: BlobStore, id: str) -> None:
    with pytest.raises(errors.Invalid):
        await blobs.stage_block("system", "a", id, b"x")


@pytest.mark.parametrize("id", ["x" * 64, "a/b+c==", "../../x", "..", ".", "%2F", "a b"])
async def test_any_other_block_id_is_taken(blobs: BlobStore, id: str) -> None:
    await blobs.stage_block("system", "a", id, b"x")
    await blobs.commit_blocks("system", "a", [id, id])
    assert await content(blobs, "a") == b"xx"


async def test_more_blocks_than_azure_allows_are_refused(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"x")
    with pytest.raises(errors.Invalid):
        await blobs.commit_blocks("system", "a", ["1"] * 50_001)


async def test_commit_if_absent_meets_a_blob(blobs: BlobStore) -> None:
    await blobs.stage_block("system", "a", "1", b"one")
    await blobs.commit_blocks("system", "a", ["1"], if_absent=True, metadata={"job": "1"})
    with pytest.raises(errors.BlobExists):
        await blobs.commit_blocks("system", "a", ["1"], if_absent=True, metadata={"job": "2"})
    await blobs.stage_block("system", "a", "2", b"two")
    with pytest.raises(errors.BlobExists):
        await blobs.commit_blocks("system", "a", ["2"], if_absent=True)
    assert await content(blobs, "a") == b"one"
    assert (await blobs.properties("system", "a")).metadata == {"job": "1"}


async def test_of_racing_commits_if_absent_one_wins(blobs: BlobStore) -> None:
    for n in range(8):
        await blobs.stage_block("system", "a", f"{n}", f"{n}".encode())
    outcomes = await asyncio.gather(
        *[blobs.commit_blocks("system", "a", [f"{n}"], if_absent=True) for n in range(8)],
        return_exceptions=True,
    )
    won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(outcome, errors.BlobExists) for outcome in outcomes) == 7
    assert await content(blobs, "a") == f"{won[0]}".encode()


async def test_many_blocks_are_joined(blobs: BlobStore, many: int) -> None:
    ids = [f"{n:05}" for n in range(many)]
    await asyncio.gather(
        *[blobs.stage_block("system", "a", id, f"{id}\n".encode()) for id in reversed(ids)]
    )
    await blobs.commit_blocks("system", "a", ids)
    assert (await content(blobs, "a")).decode().split() == ids
