"""Folders of one listing, read side by side and handed out one after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from domain.ports import BlobProperties

AT_ONCE: Final = 8
"""Folders that are read at a time."""
_AHEAD: Final = 40
"""Pages that wait to be handed out, of all folders, some 70 MB of the largest."""
_AHEAD_OF_FIRST: Final = 4
"""Of these, that the folder whose turn it is may always have."""

Pages = AsyncGenerator[Sequence[BlobProperties], None]
Item = Pages | Sequence[BlobProperties]
"""A folder, or blobs that are known already."""


class _Room:
    """For pages that wait."""

    def __init__(self) -> None:
        self._waiting = 0
        self._changed = asyncio.Condition()
        self.first: _Folder | None = None

    async def wait(self, folder: "_Folder") -> None:
        """Until `folder` may read another page."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._may(folder))
            self._waiting += 1

    def _may(self, folder: "_Folder") -> bool:
        is_first = self.first is folder and folder.waiting < _AHEAD_OF_FIRST
        return is_first or self._waiting < _AHEAD

    async def give_back(self) -> None:
        async with self._changed:
            self._waiting -= 1
            self._changed.notify_all()

    async def begin(self, folder: "_Folder") -> None:
        async with self._changed:
            self.first = folder
            self._changed.notify_all()


class _Folder:
    """`pages` are read by a task of its own, as far as there is `room`."""

    def __init__(self, pages: Pages, room: _Room) -> None:
        self._pages = pages
        self._room = room
        self._ready: asyncio.Queue[Sequence[BlobProperties] | BaseException | None] = (
            asyncio.Queue()
        )
        self._task = asyncio.create_task(self._read())

    @property
    def waiting(self) -> int:
        return self._ready.qsize()

    async def _read(self) -> None:
        try:
            async with aclosing(self._pages) as pages:
                while True:
                    await self._room.wait(self)
                    page = await anext(pages, None)
                    self._ready.put_nowait(page)
                    if page is None:
                        return
        except Exception as error:  # whoever is handed out to is told
            self._ready.put_nowait(error)

    async def handed_out(self) -> AsyncIterator[Sequence[BlobProperties]]:
        await self._room.begin(self)
        while True:
            page = await self._ready.get()
            await self._room.give_back()
            if isinstance(page, BaseException):
                raise page
            if page is None:
                return
            yield page

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))


async def side_by_side(items: AsyncGenerator[Item, None]) -> Pages:
    """The pages of all of them, in the order of `items`."""
    room, begun = _Room(), deque[_Folder | Sequence[BlobProperties]]()
    is_over = False
    try:
        while True:
            while not is_over and sum(isinstance(each, _Folder) for each in begun) < AT_ONCE:
                item = await anext(items, None)
                if item is None:
                    is_over = True
                else:
                    begun.append(item if isinstance(item, Sequence) else _Folder(item, room))
            if not begun:
                return
            first = begun[0]
            if isinstance(first, _Folder):
                async for page in first.handed_out():
                    yield page
                await first.close()
            else:
                yield first
            begun.popleft()
    finally:
        for each in begun:
            if isinstance(each, _Folder):
                await each.close()
        await items.aclose()
