"""What is stored, counted day by day on every family of stores, with few looks and fewer writes."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.ledger.counting.account import BATCH, Account
from domain.ledger.stored.stored_counting import StoredCounting
from domain.ledger.stored.stored_owners import StoredOwner
from domain.ledger.stored.stored_page import KIND, page_of
from domain.ports import BlobFolder, BlobStore, ResourceStore, all_documents
from tests.kit.clocks import HeldClock

DAY = 86400
FIRST = datetime(2026, 1, 28, 12, tzinfo=UTC).timestamp()


class Shelf:
    """Owners that come and go, and what they have in a store of blobs."""

    def __init__(self, store: ResourceStore, blobs: BlobStore) -> None:
        self.store = store
        self.blobs = blobs
        self.clock = HeldClock(FIRST)
        self.owners: dict[str, StoredOwner] = {}

    def host(self) -> StoredCounting:
        six_hours, keep = timedelta(hours=6), timedelta(days=400)
        return StoredCounting(
            self.store, self.blobs, self._all, self.clock, period=six_hours, keep=keep
        )

    async def _all(self) -> AsyncIterator[StoredOwner]:
        for each in self.owners.values():
            yield each

    def has(self, name: str, *, known: int = 0, changes: bool = False, team: str = "a") -> None:
        account = Account(BATCH, "scores", "blue", name, tags=(("team", team),))
        places = (BlobFolder("data", name),)
        self.owners[name] = StoredOwner(f"jobs/{name}", account, known, places, changes)

    async def write(self, path: str, size: int) -> None:
        await self.blobs.write("data", path, b"x" * size)

    async def next_day(self, days: int = 1) -> None:
        self.clock.move(DAY * days)
        assert await self.host().count()

    async def told(self, name: str = "one", team: str | None = None) -> dict[str, int]:
        """Bytes by day up to today, without the years and months that all of them are of."""
        today = datetime.fromtimestamp(self.clock.time, UTC).date()
        found: dict[str, int] = {}
        async for document in all_documents(self.store, KIND):
            for line in page_of(document).lines:
                if line.job == name and team in (None, line.tags["team"]):
                    for day in line.days(date(2026, 1, 1), today):
                        assert day not in found
                        found[day[5:]] = line.size
        return found


@pytest.fixture
def shelf(store: ResourceStore, memory_blobs: BlobStore) -> Shelf:
    return Shelf(store, memory_blobs)


async def test_what_is_there_counts_for_each_day_until_it_is_deleted(shelf: Shelf) -> None:
    shelf.has("one", known=5)
    await shelf.write("one/a", 10)
    await shelf.write("one/b/c", 20)
    await shelf.write("one-more", 40)
    assert await shelf.host().count()
    await shelf.next_day()
    assert await shelf.told() == {"01-28": 35, "01-29": 35}
    assert await shelf.told("other") == {}


async def test_what_grows_is_told_from_that_day_on(shelf: Shelf) -> None:
    shelf.has("one", changes=True)
    await shelf.write("one/a", 10)
    assert await shelf.host().count()
    await shelf.write("one/b", 1)
    await shelf.next_day()
    await shelf.blobs.delete("data", "one/a")
    await shelf.blobs.delete("data", "one/b")
    await shelf.next_day()
    assert await shelf.told() == {"01-28": 10, "01-29": 11}


async def test_over_the_end_of_a_month_it_goes_on_though_nobody_was_there(shelf: Shelf) -> None:
    shelf.has("one")
    await shelf.write("one", 10)
    assert await shelf.host().count()
    await shelf.next_day(6)
    assert list((await shelf.told()).items()) == [
        (day, 10) for day in ("01-28", "01-29", "01-30", "01-31", "02-01", "02-02", "02-03")
    ]


async def test_what_changes_hardly_ever_is_looked_at_once_a_week(shelf: Shelf) -> None:
    shelf.has("one")
    await shelf.write("one/a", 10)
    assert await shelf.host().count()
    await shelf.blobs.delete("data", "one/a")
    for _ in range(6):
        await shelf.next_day()
    assert len(await shelf.told()) == 7
    await shelf.next_day()
    await shelf.next_day()
    assert len(await shelf.told()) == 7


async def test_what_is_left_of_one_that_is_gone_is_its_own_on(shelf: Shelf) -> None:
    shelf.has("one", known=5)
    await shelf.write("one/a", 10)
    assert await shelf.host().count()
    del shelf.owners["one"]
    await shelf.next_day(4)
    await shelf.next_day()
    assert list((await shelf.told()).values()) == [15] * 4 + [10] * 2
    await shelf.blobs.delete("data", "one/a")
    await shelf.next_day(7)
    assert list((await shelf.told()).values()) == [15] * 4 + [10] * 8


async def test_other_tags_pay_from_the_day_on_which_they_are_there(shelf: Shelf) -> None:
    shelf.has("one", known=5)
    assert await shelf.host().count()
    shelf.has("one", known=5, team="b")
    await shelf.next_day()
    assert await shelf.told(team="a") == {"01-28": 5}
    assert await shelf.told(team="b") == {"01-29": 5}


async def test_nothing_is_written_while_all_stays_as_it_is_nor_is_it_counted_too_often(
    shelf: Shelf,
) -> None:
    for number in range(205):
        shelf.has(f"job{number}", known=1 + number)
    assert await shelf.host().count()
    assert not await shelf.host().count()
    before = [each.etag async for each in all_documents(shelf.store, KIND)]
    assert len(before) == 3
    await shelf.next_day()
    assert [each.etag async for each in all_documents(shelf.store, KIND)] == before
    assert await shelf.told("job204") == {"01-28": 205, "01-29": 205}


async def test_of_two_hosts_one_counts(shelf: Shelf) -> None:
    shelf.has("one", known=5)
    one, other = shelf.host(), shelf.host()
    assert [await one.count(), await other.count()] == [True, False]
    assert await shelf.told() == {"01-28": 5}
