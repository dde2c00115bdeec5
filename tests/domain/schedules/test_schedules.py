"""Lists of schedules show what reading each shows, at two queries a page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ground.resource import Conditions, Wanted
from domain.ports import Page
from domain.schedules.schedule import STATE_KIND, ScheduleProperties
from domain.schedules.schedule_state import ScheduleMessages
from domain.schedules.schedules import Schedules, ScheduleView
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from tests.domain.schedules.test_scheduling import properties
from tests.kit.clocks import HeldClock
from tests.kit.stages.scoring_stage import WatchedStore

ANY = Conditions()


class Busy(WatchedStore):
    """Something happens between the two queries of a page."""

    between: Callable[[], Awaitable[object]] | None = None

    async def query(
        self,
        kind: str,
        *,
        partition: str | None = None,
        where: Mapping[str, str | int | bool] | None = None,
        page_size: int = 100,
        continuation: str | None = None,
        descending: bool = False,
    ) -> Page:
        if kind == STATE_KIND and self.between is not None:
            between, self.between = self.between, None
            await between()
        return await super().query(
            kind,
            partition=partition,
            where=where,
            page_size=page_size,
            continuation=continuation,
            descending=descending,
        )


class Stage:
    def __init__(self, store: SqliteResourceStore, queue: SqliteWorkQueue) -> None:
        self.store = Busy(store)
        clock = HeldClock()
        self.schedules = Schedules(self.store, clock, ScheduleMessages(queue, clock), "here")

    async def put(self, name: str, *, enabled: bool = True) -> None:
        wanted = Wanted[ScheduleProperties](properties=properties(isEnabled=enabled))
        await self.schedules.put(name, wanted, "me", ANY)

    async def pages(self, top: int, enabled: bool | None = None) -> list[list[ScheduleView]]:
        found, more = await self.schedules.list(top, None, enabled=enabled)
        pages = [found]
        while more is not None:
            found, more = await self.schedules.list(top, more, enabled=enabled)
            pages.append(found)
        return pages

    async def as_read(self, pages: list[list[ScheduleView]]) -> list[list[str]]:
        """The names on each page, every schedule being as GET shows it."""
        for view in (each for page in pages for each in page):
            assert view.state is not None
            assert view == await self.schedules.get(view.resource.name)
        return [[each.resource.name for each in page] for page in pages]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    store = SqliteResourceStore(tmp_path / "documents.db")
    queue = SqliteWorkQueue(tmp_path / "queues.db", max_delivery_count=10)
    yield Stage(store, queue)
    await queue.close()
    await store.close()


async def test_a_page_shows_where_its_schedules_stand_for_two_queries(stage: Stage) -> None:
    for name in ("E", "a", "c", "B", "d"):
        await stage.put(name, enabled=name in "aBd")
    for enabled, wanted in (
        (None, [["a", "B"], ["c", "d"], ["E"]]),
        (True, [["a", "B"], ["d"]]),
        (False, [["c", "E"]]),
    ):
        stage.store.queries = stage.store.gets = 0
        pages = await stage.pages(2, enabled)
        assert (stage.store.queries, stage.store.gets) == (2 * len(wanted), 0)
        assert await stage.as_read(pages) == wanted


async def test_one_that_is_switched_off_is_listed_so_with_its_state(stage: Stage) -> None:
    for name in "ab":
        await stage.put(name)
    await stage.put("a", enabled=False)
    stage.store.gets = 0
    [[off]], [[on]] = await stage.pages(9, False), await stage.pages(9, True)
    assert stage.store.gets == 0
    assert off.state is not None
    assert (off.resource.name, off.state.next_at, on.resource.name) == ("a", None, "b")


@pytest.mark.parametrize("change", ["one more", "one less", "all less"])
async def test_what_is_written_between_the_queries_leaves_no_schedule_without_its_state(
    stage: Stage, change: str
) -> None:
    for name in "bdfhj":
        await stage.put(name)

    async def between() -> None:
        match change:
            case "one more":
                await stage.put("a")
            case "one less":
                await stage.schedules.delete("b", ANY)
            case "all less":
                for name in "dfhj":
                    await stage.schedules.delete(name, ANY)

    stage.store.between = between
    pages = await stage.pages(2)
    listed = [view for page in pages for view in page]
    there = [view.resource.name for view in listed if view.state is not None]
    gone = [view.resource.name for view in listed if view.state is None]
    assert (there, gone) == {
        "one more": (["b", "d", "f", "h", "j"], []),
        "one less": (["d", "f", "h", "j"], ["b"]),
        "all less": (["b"], ["d"]),
    }[change]


@pytest.mark.parametrize("text", ["", "|", "x", "x|y", "|" * 50])
async def test_a_continuation_that_was_never_given_is_refused(stage: Stage, text: str) -> None:
    await stage.put("a")
    with pytest.raises(Invalid):
        await stage.schedules.list(2, text)
