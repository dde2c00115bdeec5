"""The door: from a request to its operation, past the signature."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from domain import errors
from domain.ports import Permission, StorageRoom
from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest import blocks, containers, reading, writing
from infra.embedded.blobs.rest.bearers import Bearers
from infra.embedded.blobs.rest.bodies import CAPS, Caps
from infra.embedded.blobs.rest.gathering import Gathering
from infra.embedded.blobs.rest.listing import ListBlobs
from infra.embedded.blobs.rest.refusals import Refusal, bad_query, rendered
from infra.embedded.blobs.rest.requests import (
    BlobRequest,
    ContainerRequest,
    check_supported,
    parsed,
)
from infra.embedded.blobs.signed_urls import CHANGES, SignedUrls
from infra.embedded.http.admission import admitted

_VERSION = "2021-12-02"
_VERSIONS = re.compile(r"20\d\d-\d\d-\d\d")
_FILLING = (None, "block")
"""What brings content, by `comp`."""
_CLIENT_ID = re.compile(r"[!-~]{1,1024}")

_R = TypeVar("_R", bound=ContainerRequest)
_Run = Callable[[FileBlobs, _R], Awaitable[Response]]


@dataclass(frozen=True)
class _Operation(Generic[_R]):
    """`permission` None: any true signature will do."""

    run: _Run[_R]
    permission: Permission | None


_Offered = dict[tuple[str, str | None], _Operation[_R]]


class BlobDoor:
    """Serves who holds a signed URL with the permission that the operation needs, or a token whose
    roles have it, and nobody else. What would fill the store is refused while there is no `room`,
    but for what is written by those to whom one blob alone was lent. `gathering` has many of them
    in one answer."""

    def __init__(
        self,
        files: FileBlobs,
        urls: SignedUrls,
        bearers: Bearers,
        room: StorageRoom,
        caps: Caps = CAPS,
    ) -> None:
        self._files = files
        self._urls = urls
        self.gathering = Gathering(files, urls)
        self._bearers = bearers
        self._room = room
        read, write = Permission.READ, Permission.WRITE
        self._on_blobs: _Offered[BlobRequest] = {
            ("GET", None): _Operation(reading.get_blob, read),
            ("HEAD", None): _Operation(reading.get_properties, read),
            ("GET", "metadata"): _Operation(reading.get_metadata, read),
            ("HEAD", "metadata"): _Operation(reading.get_metadata, read),
            ("GET", "blocklist"): _Operation(blocks.get_block_list, read),
            ("PUT", None): _Operation(writing.PutBlob(caps), write),
            ("PUT", "block"): _Operation(blocks.PutBlock(caps), write),
            ("PUT", "blocklist"): _Operation(blocks.PutBlockList(caps), write),
            ("PUT", "metadata"): _Operation(writing.set_metadata, write),
            ("PUT", "properties"): _Operation(writing.set_properties, write),
            ("DELETE", None): _Operation(writing.delete_blob, Permission.DELETE),
        }
        self._on_containers: _Offered[ContainerRequest] = {
            ("GET", None): _Operation(containers.get_container_properties, None),
            ("HEAD", None): _Operation(containers.get_container_properties, None),
            ("GET", "list"): _Operation(ListBlobs(urls.url("")), Permission.LIST),
            ("PUT", None): _Operation(containers.create_container, write),
        }

    async def wholes(
        self, blobs: Sequence[tuple[str, str, str | None]], most: int, largest: int
    ) -> Sequence[bytes | errors.DomainError]:
        """As FileBlobs has them."""
        return await self._files.wholes(blobs, most, largest)

    async def links(
        self, blobs: Sequence[tuple[str, str, str]], folder: Path
    ) -> Sequence[str | None]:
        """As FileBlobs has them."""
        return await self._files.links(blobs, folder)

    async def __call__(self, request: Request) -> Response:
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # Every refusal has its answer; what is none is a 500.
            response = rendered(error)
        if response.status_code >= 400 and "expect" in request.headers:
            # The body that was not asked for may or may not come: the next request would
            # be taken for it.
            response.headers["connection"] = "close"
        asked = request.headers.get("x-ms-version", "")
        response.headers["x-ms-version"] = asked if _VERSIONS.fullmatch(asked) else _VERSION
        given = request.headers.get("x-ms-client-request-id", "")
        if _CLIENT_ID.fullmatch(given):
            response.headers["x-ms-client-request-id"] = given
        return response

    async def _answer(self, http: Request) -> Response:
        request = parsed(http, self._urls.revocations.check_open)
        if isinstance(request, BlobRequest):
            run = await self._checked(self._on_blobs, request, request.name)
            if _fills(request):
                await self._room.check()
            return await run(self._files, request)
        on_container = await self._checked(self._on_containers, request, None)
        return await on_container(self._files, request)

    async def _checked(self, offered: _Offered[_R], request: _R, name: str | None) -> _Run[_R]:
        """What is to be run; `name` is the blob's, if one is meant. Raises Refusal."""
        method, comp = request.http.method, request.query.get("comp")
        operation = offered.get((method, comp))
        permission = operation.permission if operation is not None else None
        if request.bearer is not None:
            await self._bearers.check(request, request.bearer, permission)
            if permission in CHANGES:
                request.check_open()
        else:
            self._urls.verify(permission, request.container, name, request.query)
        admitted(request.http)
        if (request.query.get("restype") == "container") != (name is None):
            raise bad_query(
                "The URL names no blob, and does not say restype=container."
                if name is None
                else "restype is not for blobs.",
                "InvalidUri" if name is None else "UnsupportedQueryParameter",
            )
        if operation is None:
            raise _not_offered(method, comp, [each for each, c in offered if c == comp])
        check_supported(request)
        return operation.run


def _fills(request: BlobRequest) -> bool:
    """Workers beside a model have URLs that write one blob, and do nothing else: theirs is in
    hand."""
    is_lent = request.query.get("sr") == "b" and request.query.get("sp") == Permission.WRITE.value
    return request.http.method == "PUT" and request.query.get("comp") in _FILLING and not is_lent


def _not_offered(method: str, comp: str | None, methods: list[str]) -> Refusal:
    if not methods:
        return bad_query(
            f"comp={comp[:40] if comp else ''} is not offered here.", "UnsupportedQueryParameter"
        )
    allowed = ", ".join(sorted(set(methods)))
    return Refusal(
        405,
        "UnsupportedHttpVerb",
        f"{method} is not offered here; {allowed} is.",
        {"allow": allowed},
    )
