"""Blobs over HTTP at their signed URLs, `/blobs/{container}/{name}`: Put Blob and Get Blob of
Azure's Blob service, streamed both ways and as large as the disk."""

import base64
import hashlib
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain import errors
from domain.ports import BlobProperties, BlobStore, Permission
from infra.embedded.invocation import new_id
from infra.embedded.signed_urls import SignedUrls

_log = logging.getLogger(__name__)

PREFIX = "/blobs/"

_META = "x-ms-meta-"
_VERSION = {"x-ms-version": "2021-12-02"}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

_STATUS: tuple[tuple[type[errors.DomainError], int, str | None], ...] = (
    (errors.Forbidden, 403, None),
    (errors.BlobNotFound, 404, "BlobNotFound"),
    (errors.NotFound, 404, None),
    (errors.BlobExists, 409, "BlobAlreadyExists"),
    (errors.Conflict, 409, None),
    (errors.PreconditionFailed, 412, "ConditionNotMet"),
    (errors.Invalid, 400, None),
    (errors.StorageFull, 507, None),
    (errors.Throttled, 503, "ServerBusy"),
    (errors.Unavailable, 503, "ServerBusy"),
)


class _RangeNotSatisfiable(Exception):
    pass


@dataclass(frozen=True)
class _Place:
    container: str
    name: str


class BlobDoor:
    """Serves who holds a signed URL with the permission its method needs, and nobody else."""

    def __init__(self, blobs: BlobStore, urls: SignedUrls) -> None:
        self._blobs = blobs
        self._urls = urls

    async def __call__(self, request: Request) -> Response:
        try:
            if request.method == "PUT":
                return await self._put(request, self._permitted(request, Permission.WRITE))
            if request.method in ("GET", "HEAD"):
                return await self._get(request, self._permitted(request, Permission.READ))
        except errors.DomainError as error:
            return _refusal(error)
        response = _error(405, "UnsupportedHttpVerb", f"{request.method} is not offered here.")
        response.headers["allow"] = "GET, HEAD, PUT"
        return response

    def _permitted(self, request: Request, permission: Permission) -> _Place:
        path: bytes = request.scope["raw_path"]
        container, _, name = path.decode("latin-1").removeprefix(PREFIX).partition("/")
        try:
            place = _Place(unquote(container, errors="strict"), unquote(name, errors="strict"))
        except UnicodeDecodeError:
            raise errors.Invalid("The URL's path is not UTF-8.", code="InvalidUri") from None
        if not place.name:
            raise errors.Invalid("The URL names no blob.", code="InvalidUri")
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1")))
        self._urls.verify(permission, place.container, place.name, query)
        if "comp" in query or "restype" in query:
            raise errors.Invalid(
                "Of the Blob service, only Put Blob and Get Blob are offered here.",
                code="UnsupportedQueryParameter",
            )
        return place

    async def _put(self, request: Request, place: _Place) -> Response:
        headers = request.headers
        if headers.get("x-ms-blob-type", "BlockBlob").lower() != "blockblob":
            raise errors.Invalid("Only block blobs are kept here.", code="InvalidHeaderValue")
        condition = headers.get("if-none-match")
        refused = [n for n in ("if-match", "if-modified-since") if n in headers]
        if refused or condition not in (None, "*"):
            raise errors.Invalid(
                "The one condition of a write here is `If-None-Match: *`.",
                code="UnsupportedHeader",
            )
        metadata = {n.removeprefix(_META): v for n, v in headers.items() if n.startswith(_META)}
        written = await self._blobs.write(
            place.container,
            place.name,
            _checked(request.stream(), headers.get("content-md5")),
            if_absent=condition == "*",
            content_type=headers.get("x-ms-blob-content-type")
            or headers.get("content-type")
            or "application/octet-stream",
            metadata=metadata,
        )
        return Response(status_code=201, headers=_about(written))

    async def _get(self, request: Request, place: _Place) -> Response:
        blob = await self._blobs.properties(place.container, place.name)
        wanted = request.headers.get("if-match")
        if wanted not in (None, "*", blob.etag):
            raise errors.StaleETag("The blob's ETag is not the one asked for.")
        headers = {
            **_about(blob),
            "accept-ranges": "bytes",
            "x-ms-blob-type": "BlockBlob",
            **{_META + name: value for name, value in blob.metadata.items()},
        }
        if request.headers.get("if-none-match") == blob.etag:
            return Response(status_code=304, headers=headers)
        asked = request.headers.get("x-ms-range") or request.headers.get("range")
        try:
            part = _range(asked, blob.size)
        except _RangeNotSatisfiable:
            refusal = _error(416, "InvalidRange", f"The blob has {blob.size} bytes.")
            refusal.headers["content-range"] = f"bytes */{blob.size}"
            return refusal
        start, length = part or (0, blob.size)
        headers["content-type"] = blob.content_type
        headers["content-length"] = str(length)
        if part is not None:
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{blob.size}"
        status = 200 if part is None else 206
        if request.method == "HEAD" or length == 0:
            return Response(status_code=status, headers=headers)
        content = self._blobs.read(
            place.container, place.name, etag=blob.etag, offset=start, length=length
        )
        return StreamingResponse(content, status, headers)


def _range(asked: str | None, size: int) -> tuple[int, int] | None:
    """Start and length; None for the whole blob, which is also the answer to a range in
    another form (RFC 9110 lets a server ignore those)."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
        if int(last) == 0:
            raise _RangeNotSatisfiable
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise _RangeNotSatisfiable
    return start, end - start + 1


async def _checked(content: AsyncIterator[bytes], md5: str | None) -> AsyncIterator[bytes]:
    """The content, refused at its end if it is not what the sender says it sent."""
    digest = hashlib.md5(usedforsecurity=False) if md5 else None
    async for piece in content:
        if digest is not None:
            digest.update(piece)
        if piece:
            yield piece
    if digest is not None and base64.b64encode(digest.digest()).decode() != md5:
        raise errors.Invalid("The content does not have its Content-MD5.", code="Md5Mismatch")


def _about(blob: BlobProperties) -> dict[str, str]:
    return {
        **_VERSION,
        "etag": blob.etag,
        "last-modified": format_datetime(blob.last_modified, usegmt=True),
    }


def _refusal(error: errors.DomainError) -> Response:
    for category, status, code in _STATUS:
        if isinstance(error, category):
            response = _error(status, code or error.code, error.message)
            retry_after = getattr(error, "retry_after", None)
            if retry_after is not None:
                response.headers["retry-after"] = str(max(1, round(retry_after)))
            return response
    request_id = new_id()
    _log.error("the blob door failed", exc_info=error, extra={"request_id": request_id})
    return _error(500, "InternalError", f"The request failed inside; its id is {request_id}.")


def _error(status: int, code: str, message: str) -> Response:
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    )
    headers = {**_VERSION, "x-ms-error-code": code}
    return Response(body, status, headers, media_type="application/xml")
