"""Listing a container: page after page, each read by a thread of its own while the loop goes on,
the next ones asked for meanwhile, and folders side by side."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from azure.core import AsyncPipelineClient
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    map_error,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from domain.ports import BlobProperties, Permission
from infra.cloud.blobs.blob_account import CONNECT_WAIT, BlobAccount
from infra.cloud.blobs.blob_calls import TOKEN, BlobCalls
from infra.cloud.blobs.blob_levels import rest_of
from infra.cloud.blobs.listed_folders import Item, Pages, side_by_side
from infra.cloud.blobs.listed_page import ListedPage, listed_page
from infra.cloud.patience import Patience
from infra.rules import blob_names

_VERSION: Final = "2021-12-02"
"""Of the service: the first in which names that XML cannot hold come encoded is older."""
_SIGNED_FOR: Final = timedelta(hours=2)
_SIGNED_ANEW: Final = timedelta(hours=1)
_IN_A_ROW: Final = 500
"""Blobs that are handed out before others have their turn on the loop."""
_ERRORS: Final = {401: ClientAuthenticationError, 404: ResourceNotFoundError}


class BlobListing:
    """Of an account's containers, by signed URLs. `page_size`: None for as many as Azure gives,
    5,000."""

    def __init__(
        self,
        account: BlobAccount,
        calls: BlobCalls,
        patience: Patience,
        now: Callable[[], datetime],
        page_size: int | None,
    ) -> None:
        self._account = account
        self._calls = calls
        self._patience = patience
        self._now = now
        self._page_size = page_size
        self._signed: dict[str, tuple[str, datetime]] = {}
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._account.transport is None:
            await client.close()

    async def blobs(self, container: str, prefix: str) -> AsyncGenerator[BlobProperties, None]:
        """As the service orders them; none where there is no container. Raises Invalid for a name
        that is none."""
        blob_names.check_container(container)
        first = await self._page(container, prefix, None)
        async with aclosing(_one_by_one(first.blobs)) as blobs:
            async for blob in blobs:
                yield blob
        if first.marker is None:
            return
        # Whoever has gone on to a second page wants them all.
        async with aclosing(self._others(container, prefix, first)) as pages:
            async for page in pages:
                async with aclosing(_one_by_one(page)) as blobs:
                    async for blob in blobs:
                        yield blob

    async def _others(self, container: str, prefix: str, first: ListedPage) -> Pages:
        """The pages after the first: of folders side by side, where there are some; else one
        after the other, with the next ones asked for meanwhile."""

        async def level(prefix: str, marker: str | None) -> ListedPage:
            return await self._page(container, prefix, marker, by_level=True)

        def folder(prefix: str) -> Pages:
            return self._pages(container, prefix, None)

        rest = await rest_of(prefix, first.blobs, level) if first.blobs else None
        if rest is None:
            items = _alone(self._pages(container, prefix, first.marker))
        else:
            items = rest.items(level, folder)
        async with aclosing(side_by_side(items)) as pages:
            async for page in pages:
                yield page

    async def _pages(self, container: str, prefix: str, marker: str | None) -> Pages:
        while True:
            page = await self._page(container, prefix, marker)
            yield page.blobs
            if page.marker is None:
                return
            marker = page.marker

    async def _page(
        self, container: str, prefix: str, marker: str | None, *, by_level: bool = False
    ) -> ListedPage:
        async def ask() -> ListedPage:
            content = await self._content(container, prefix, marker, by_level)
            if content is None:
                return ListedPage([], None)
            return await asyncio.to_thread(listed_page, content, TOKEN)

        return await self._calls.call(container, f"{prefix}*", ask)

    async def _content(
        self, container: str, prefix: str, marker: str | None, by_level: bool
    ) -> bytes | None:
        """None where there is no container."""
        asked = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix}
        asked |= {"marker": marker} if marker else {}
        asked |= {"delimiter": "/"} if by_level else {}
        asked |= {"maxresults": str(self._page_size)} if self._page_size else {}
        query = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in asked.items() if value
        )
        signature = await self._signature(container)
        url = f"{self._account.plain_url(container, None)}?{query}&{signature}"
        request = HttpRequest("GET", url, headers={"x-ms-version": _VERSION})
        response = await self._opened().send_request(request)
        if response.status_code == 200:
            return response.content
        code = response.headers.get("x-ms-error-code")
        if response.status_code == 404 and code in (None, "ContainerNotFound"):
            return None
        try:
            map_error(response.status_code, response, _ERRORS)
            raise HttpResponseError(response=response)
        except HttpResponseError as error:
            error.error_code = code  # type: ignore[attr-defined]  # as the storage SDK has it
            raise

    async def _signature(self, container: str) -> str:
        signature, until = self._signed.get(container, ("", datetime.min.replace(tzinfo=UTC)))
        now = self._now()
        if until <= now:
            may = frozenset({Permission.LIST})
            signature = await self._account.signature(container, None, may, _SIGNED_FOR)
            self._signed[container] = (signature, now + _SIGNED_ANEW)
        return signature

    def _opened(self) -> "AsyncPipelineClient[HttpRequest, AsyncHttpResponse]":
        if self._client is None:
            transport = self._account.transport or AioHttpTransport(
                connection_timeout=CONNECT_WAIT, read_timeout=self._patience.attempt
            )
            self._client = AsyncPipelineClient("", policies=[], transport=transport)
        return self._client


async def _one_by_one(page: Sequence[BlobProperties]) -> AsyncGenerator[BlobProperties, None]:
    for number, blob in enumerate(page, 1):
        yield blob
        if number % _IN_A_ROW == 0:
            await asyncio.sleep(0)


async def _alone(pages: Pages) -> AsyncGenerator[Item, None]:
    yield pages
