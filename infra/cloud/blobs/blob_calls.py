"""Calls to the Blob service: tried again within a budget, their faults translated."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobProperties as SdkProperties
from azure.storage.blob import StorageErrorCode
from azure.storage.blob.aio import BlobClient, ContainerClient

from domain import errors
from domain.ports import BlobProperties
from infra.cloud.blobs.blob_account import BlobAccount
from infra.cloud.faults import Fault, fault
from infra.cloud.patience import Patience
from infra.rules import blob_names

Answer = TypeVar("Answer")

TOKEN = "mleWriteToken"
"""Metadata that tells one conditional write from another; hidden from readers of the port."""

_LEAVES: Mapping[type[errors.DomainError], type[errors.DomainError]] = {
    errors.NotFound: errors.BlobNotFound,
    errors.Conflict: errors.BlobExists,
    errors.PreconditionFailed: errors.StaleETag,
}


class BlobCalls:
    def __init__(self, account: BlobAccount, patience: Patience) -> None:
        self._account = account
        self._patience = patience
        self._containers: set[str] = set()

    def container(self, container: str) -> ContainerClient:
        """Raises Invalid for a name that is none."""
        blob_names.check_container(container)
        return self._account.client.get_container_client(container)

    def blob(self, container: str, name: str) -> BlobClient:
        """Raises Invalid for a name that is none."""
        blob_names.check_container(container)
        blob_names.segments(name)
        return self._account.client.get_blob_client(container, name)

    async def call(
        self, container: str, name: str, call: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        return await self._patience.through(
            call, lambda error: meaning(error, f"The blob {name!r} in {container!r}")
        )

    async def call_in_container(
        self, container: str, name: str, call: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """A call that writes: the container is made if it is missing."""

        async def again() -> Answer:
            try:
                return await call()
            except HttpResponseError as error:
                if _code(error) != StorageErrorCode.CONTAINER_NOT_FOUND:
                    raise
            await self._create(container)
            return await call()

        return await self.call(container, name, again)

    async def ensure(self, container: str) -> None:
        """Make the container if it is missing; this process asks once."""
        if container not in self._containers:
            await self.call(container, "", lambda: self._create(container))

    async def look(
        self, container: str, name: str, etag: str | None = None
    ) -> tuple[BlobProperties, str | None]:
        """The blob's properties, and the token of the conditional write that made it."""
        blob = self.blob(container, name)
        found = await self.call(container, name, lambda: blob.get_blob_properties(**matching(etag)))
        return properties(name, found), _token(found.metadata)

    async def _create(self, container: str) -> None:
        try:
            await self.container(container).create_container()
        except ResourceExistsError as error:
            if _code(error) != StorageErrorCode.CONTAINER_ALREADY_EXISTS:
                raise
        self._containers.add(container)


def meaning(error: Exception, subject: str) -> Fault:
    return fault(error, subject, _LEAVES)


def matching(etag: str | None) -> dict[str, Any]:
    """The SDK's arguments for If-Match."""
    if etag is None:
        return {}
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def properties(name: str, found: SdkProperties) -> BlobProperties:
    """Listings give ETags without their quotes."""
    etag = str(found.etag)
    return BlobProperties(
        name=name,
        size=found.size or 0,
        etag=etag if etag.endswith('"') else f'"{etag}"',
        last_modified=found.last_modified,
        content_type=found.content_settings.content_type or "application/octet-stream",
        metadata={
            key: value
            for key, value in (found.metadata or {}).items()
            if key.lower() != TOKEN.lower()
        },
    )


def _token(metadata: Mapping[str, str] | None) -> str | None:
    return next(
        (value for key, value in (metadata or {}).items() if key.lower() == TOKEN.lower()), None
    )


def _code(error: HttpResponseError) -> object:
    return getattr(error, "error_code", None)
