"""Folders of a listing that are read side by side: what is handed out is what a listing without
folders would have, in its order, and little waits."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from domain.ports import BlobProperties
from infra.cloud.blobs.blob_levels import rest_of
from infra.cloud.blobs.listed_folders import AT_ONCE, Item, Pages, side_by_side
from infra.cloud.blobs.listed_page import ListedPage
from tests.kit.waiting import eventually

THEN = datetime(2026, 11, 9, tzinfo=UTC)


def blob(name: str) -> BlobProperties:
    return BlobProperties(name, 1, '"e"', THEN, "text/csv", {})


class Service:
    """Lists `names` by pages of `size`, with and without levels, as the Blob service does."""

    def __init__(self, names: Sequence[str], size: int) -> None:
        self.names = sorted(names)
        self.size = size
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def level(self, prefix: str, marker: str | None) -> ListedPage:
        self.asked.append(f"{prefix}|")
        found: dict[str, bool] = {}
        for name in self.names:
            if name.startswith(prefix):
                inner, slash, _ = name[len(prefix) :].partition("/")
                found[prefix + inner + slash] = bool(slash)
        entries = sorted(found)
        begin = bisect_right(entries, marker) if marker is not None else 0
        page = entries[begin : begin + self.size]
        more = page[-1] if begin + self.size < len(entries) else None
        folders = tuple(each for each in page if found[each])
        return ListedPage([blob(each) for each in page if not found[each]], more, folders)

    def page(self, prefix: str, begin: int) -> tuple[list[BlobProperties], int | None]:
        names = [name for name in self.names if name.startswith(prefix)]
        page = [blob(name) for name in names[begin : begin + self.size]]
        return page, begin + self.size if begin + self.size < len(names) else None

    async def folder(self, prefix: str, begin: int = 0) -> Pages:
        more: int | None = begin
        while more is not None:
            self.asked.append(prefix)
            await self.gate.wait()
            page, more = self.page(prefix, more)
            yield page

    async def listed(self, prefix: str) -> list[str]:
        first, more = self.page(prefix, 0)
        found = [each.name for each in first]
        if more is None:
            return found
        rest = await rest_of(prefix, first, self.level)
        if rest is None:
            return [*found, *[name async for name in names_of(self.folder(prefix, more))]]
        items = rest.items(self.level, self.folder)
        return [*found, *[name async for name in names_of(side_by_side(items))]]


async def names_of(pages: Pages) -> AsyncGenerator[str, None]:
    async with aclosing(pages) as found:
        async for page in found:
            for each in page:
                yield each.name


def made_up(rng: random.Random) -> list[str]:
    parts = ["a", "b", "a-", "a.", "é", "\U0001f600", "z"]
    depth = rng.choice((1, 2, 3, 4))
    return [
        "in/" + "/".join(rng.choice(parts) for _ in range(rng.randint(1, depth))) + f"{n:02}"
        for n in range(rng.randint(1, 60))
    ]


@pytest.mark.parametrize("seed", range(60))
async def test_it_hands_out_what_a_listing_without_folders_would(seed: int) -> None:
    rng = random.Random(seed)
    service = Service(made_up(rng), rng.choice((1, 2, 3, 7)))
    for prefix in ("in/", "", "in/a"):
        wanted = [name for name in service.names if name.startswith(prefix)]
        assert await service.listed(prefix) == wanted


async def test_one_folder_in_another_is_gone_down_to_where_there_are_several() -> None:
    names = [f"in/2026/11/{day:02}/{n}" for day in range(4) for n in range(6)]
    service = Service(names, 5)
    assert await service.listed("in/") == service.names
    assert [each for each in service.asked if "|" in each] == ["in/|", "in/2026/|", "in/2026/11/|"]


async def test_a_flat_folder_costs_one_question_more() -> None:
    service = Service([f"in/{n:02}" for n in range(20)], 5)
    assert await service.listed("in/") == service.names
    assert service.asked == ["in/|", *["in/"] * 3]


async def test_so_many_folders_are_read_at_a_time_and_no_more() -> None:
    service = Service([f"in/{folder:02}/{n}" for folder in range(20) for n in range(3)], 3)
    service.gate.clear()
    items = item_list(service, [f"in/{folder:02}/" for folder in range(20)])
    async with aclosing(side_by_side(items)) as pages:
        first = asyncio.ensure_future(anext(pages))
        await eventually(lambda: len(service.asked) == AT_ONCE)
        service.gate.set()
        assert [each.name for each in await first] == ["in/00/0", "in/00/1", "in/00/2"]
        assert len([name async for name in names_of(pages)]) == 19 * 3


async def item_list(service: Service, folders: Sequence[str]) -> AsyncGenerator[Item, None]:
    for each in folders:
        yield service.folder(each)


async def test_nothing_is_read_far_ahead_of_who_is_handed_it() -> None:
    names = [f"in/{folder:02}/{n:03}" for folder in range(AT_ONCE) for n in range(100)]
    service = Service(names, 1)
    folders = [f"in/{folder:02}/" for folder in range(AT_ONCE)]
    async with aclosing(side_by_side(item_list(service, folders))) as pages:
        await anext(pages)
        await eventually(lambda: len(service.asked) >= 40)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(service.asked) <= 50


async def test_a_folder_that_cannot_be_read_is_told_of_when_its_turn_comes() -> None:
    async def broken() -> Pages:
        yield [blob("b/1")]
        raise ValueError("cut off")

    async def whole() -> Pages:
        yield [blob("a/1")]

    async def items() -> AsyncGenerator[Item, None]:
        yield whole()
        yield broken()

    found = names_of(side_by_side(items()))
    assert [await anext(found), await anext(found)] == ["a/1", "b/1"]
    with pytest.raises(ValueError, match="cut off"):
        await anext(found)


async def test_what_was_deleted_where_the_first_page_ended_loses_nothing_else() -> None:
    service = Service([f"in/{folder}/{n}" for folder in range(3) for n in range(4)], 3)
    first, _ = service.page("in/", 0)
    rest = await rest_of("in/", first, service.level)
    assert rest is not None
    service.names.remove(first[-1].name)
    items = rest.items(service.level, service.folder)
    found = [name async for name in names_of(side_by_side(items))]
    assert found == service.names[2:]
