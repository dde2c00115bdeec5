"""Lists of versions: which, in what order, and how a page goes on."""

import base64
import binascii
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.assets.asset import AssetVersion, Saved
from domain.errors import Invalid


class ListView(StrEnum):
    ACTIVE_ONLY = "ActiveOnly"
    ARCHIVED_ONLY = "ArchivedOnly"
    ALL = "All"

    @classmethod
    def _missing_(cls, value: object) -> "ListView | None":
        return next((v for v in cls if v.value.casefold() == str(value).casefold()), None)

    @property
    def archived(self) -> bool | None:
        """What `is_archived` must be; None for either."""
        return {ListView.ACTIVE_ONLY: False, ListView.ARCHIVED_ONLY: True}.get(self)


class OrderKey(StrEnum):
    CREATED = "createdtime"
    VERSION = "version"


@dataclass(frozen=True)
class Listing:
    """One page's request: newest first unless told. `tags` and `properties` must be there
    with these values (None: any value)."""

    top: int = 100
    continuation: str | None = None
    view: ListView = ListView.ACTIVE_ONLY
    key: OrderKey = OrderKey.CREATED
    descending: bool = True
    version: str | None = None
    stage: str | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    content_hash: str | None = None
    hash_version: str | None = None

    def wants(self, version: AssetVersion) -> bool:
        said = version.properties
        if self.view.archived not in (None, said.is_archived):
            return False
        if self.version is not None and self.version.casefold() != version.version.casefold():
            return False
        if self.stage is not None and not _is_at(self.stage, getattr(said, "stage", None)):
            return False
        if any(k not in said.tags or v not in (None, said.tags[k]) for k, v in self.tags.items()):
            return False
        return self._has_content(said.properties)

    def _has_content(self, properties: dict[str, str]) -> bool:
        if self.content_hash is None:
            return True
        known = {properties.get("hash_sha256"), properties.get("contentHash")}
        if self.content_hash not in known:
            return False
        return self.hash_version in (None, properties.get("hash_version", self.hash_version))

    def place(self, version: AssetVersion) -> tuple[str | int, int]:
        """Where `version` stands in the order; the second part makes it unique."""
        if self.key is OrderKey.VERSION:
            return version.version.casefold(), version.ordinal
        return version.ordinal, version.ordinal


async def page_of(
    versions: AsyncIterator[Saved[Any]], listing: Listing
) -> tuple[list[Saved[Any]], str | None]:
    """The page and its continuation. Goes through every version, and holds no more than
    about two pages of them."""
    after = _read(listing)
    kept: list[Saved[Any]] = []

    def cut() -> None:
        kept.sort(key=lambda saved: listing.place(saved.asset), reverse=listing.descending)
        del kept[listing.top + 1 :]

    async for saved in versions:
        place = listing.place(saved.asset)
        beyond = after is None or (place < after if listing.descending else place > after)
        if beyond and listing.wants(saved.asset):
            kept.append(saved)
            if len(kept) > 2 * listing.top + 2:
                cut()
    cut()
    if len(kept) <= listing.top:
        return kept, None
    page = kept[: listing.top]
    return page, _written(listing.place(page[-1].asset))


def _is_at(wanted: str, stage: str | None) -> bool:
    """`None`, as Azure ML has it, is the stage of what has none."""
    return wanted.casefold() == (stage or "None").casefold()


def _written(place: tuple[str | int, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(listing: Listing) -> tuple[Any, int] | None:
    if listing.continuation is None:
        return None
    kind = str if listing.key is OrderKey.VERSION else int
    try:
        first, second = json.loads(base64.urlsafe_b64decode(listing.continuation.encode()))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        first = second = None
    if type(first) is not kind or type(second) is not int:
        raise Invalid("This $skip was not given by a nextLink of this list.", target="$skip")
    return first, second
