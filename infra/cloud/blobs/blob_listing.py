"""Listing a container: page after page, each read by a thread of its own while the loop goes on,
and the next one asked for meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
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
        page = await self._page(container, prefix, None)
        is_first = True
        while True:
            ahead = None
            if page.marker is not None and not is_first:
                # Whoever has gone on to a second page wants them all.
                ahead = asyncio.create_task(self._page(container, prefix, page.marker))
            try:
                for number, blob in enumerate(page.blobs, 1):
                    yield blob
                    if number % _IN_A_ROW == 0:
                        await asyncio.sleep(0)
                if page.marker is None:
                    return
                following = ahead or self._page(container, prefix, page.marker)
                page, is_first = await following, False
            finally:
                if ahead is not None and not ahead.done():
                    ahead.cancel()
                    with suppress(asyncio.CancelledError):
                        await ahead

    async def _page(self, container: str, prefix: str, marker: str | None) -> ListedPage:
        async def ask() -> ListedPage:
            content = await self._content(container, prefix, marker)
            if content is None:
                return ListedPage([], None)
            return await asyncio.to_thread(listed_page, content, TOKEN)

        return await self._calls.call(container, f"{prefix}*", ask)

    async def _content(self, container: str, prefix: str, marker: str | None) -> bytes | None:
        """None where there is no container."""
        asked = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix}
        asked |= {"marker": marker} if marker else {}
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
