"""What is left of a listing after its first page, as folders that can be read side by side."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.ports import BlobProperties
from infra.cloud.blobs.listed_folders import Item, Pages
from infra.cloud.blobs.listed_page import ListedPage

_DEEPEST: Final = 16

Level = Callable[[str, str | None], Awaitable[ListedPage]]
"""One page of what is right below a prefix, from a marker on: blobs, and folders."""
Folder = Callable[[str], Pages]
"""Of all that is below a prefix."""


@dataclass(frozen=True)
class Rest:
    """`begun` is the folder that the first page ends in, of which blobs up to `last` have been
    handed out, those in `seen`; None where it ends between folders. Then come `following`, by name,
    and what the level has from `marker` on."""

    prefix: str
    last: str
    seen: frozenset[str]
    begun: str | None
    following: Sequence[BlobProperties | str]
    marker: str | None

    async def items(self, level: Level, folder: Folder) -> AsyncGenerator[Item, None]:
        """In the order of names."""
        if self.begun is not None:
            yield _after(self.last, self.seen, folder(self.begun))
        entries, marker = self.following, self.marker
        while True:
            blobs: list[BlobProperties] = []
            for entry in entries:
                if not isinstance(entry, str):
                    blobs.append(entry)
                    continue
                if blobs:
                    yield blobs
                    blobs = []
                yield folder(entry)
            if blobs:
                yield blobs
            if marker is None:
                return
            page = await level(self.prefix, marker)
            entries, marker = _entries(page), page.marker


async def rest_of(prefix: str, handed_out: Sequence[BlobProperties], level: Level) -> Rest | None:
    """After a first page, which has blobs. None where nothing is gained: all that is left is in one
    folder without others in it."""
    last, seen = handed_out[-1].name, frozenset(blob.name for blob in handed_out)
    for _ in range(_DEEPEST):
        page = await level(prefix, None)
        inner, slash, _ = last[len(prefix) :].partition("/")
        begun = f"{prefix}{inner}/" if slash else None
        entries = _entries(page)
        names = [entry if isinstance(entry, str) else entry.name for entry in entries]
        if (begun or last) not in names:
            return None  # others were so quick, or the level's first page does not reach it
        following = entries[names.index(begun or last) + 1 :]
        if any(isinstance(entry, str) for entry in following):
            return Rest(prefix, last, seen, begun, following, page.marker)
        if begun is None or following or page.marker is not None:
            return None
        prefix = begun
    return None


def _entries(page: ListedPage) -> Sequence[BlobProperties | str]:
    """Blobs and folders by name, as a listing without levels would have them."""
    entries: list[BlobProperties | str] = [*page.blobs, *page.folders]
    return sorted(entries, key=lambda entry: entry if isinstance(entry, str) else entry.name)


async def _after(last: str, seen: frozenset[str], pages: Pages) -> Pages:
    """Without what was handed out, and what came before `last` since."""
    is_met = False
    async for page in pages:
        if is_met:
            yield page
            continue
        names = [blob.name for blob in page]
        if last in names:
            is_met = True
            yield page[names.index(last) + 1 :]
        else:  # it is on a later page, or has gone: nothing is lost for that
            yield [blob for blob in page if blob.name not in seen]
