"""Get Blob, Get Blob Properties, Get Blob Metadata."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from domain.errors import BlobNotFound
from infra.embedded.blobs.file_blobs import FileBlobs, Reading
from infra.embedded.blobs.rest.conditions import conditions
from infra.embedded.blobs.rest.properties import META, about, described
from infra.embedded.blobs.rest.refusals import Refusal, bad_header
from infra.embedded.blobs.rest.requests import BlobRequest

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_SUMMED = 4 * 1024 * 1024


async def get_blob(files: FileBlobs, request: BlobRequest) -> Response:
    _check_name(request)
    reading = await files.open(request.container, request.name)
    try:
        return await _answer(reading, request)
    except BaseException:  # cancelled too: no answer has it that would close it
        reading.close()
        raise


async def get_properties(files: FileBlobs, request: BlobRequest) -> Response:
    _check_name(request)
    blob = await files.properties(request.container, request.name)
    conditions(request).check_read(blob)
    return Response(headers={**described(blob), "content-length": str(blob.size)})


async def get_metadata(files: FileBlobs, request: BlobRequest) -> Response:
    _check_name(request)
    blob = await files.properties(request.container, request.name)
    conditions(request).check_read(blob)
    return Response(headers={**about(blob), **{META + n: v for n, v in blob.metadata.items()}})


def _check_name(request: BlobRequest) -> None:
    """Clients ask for `folder/` to learn whether it is a blob or what begins the names of some:
    no blob here is named so. Raises BlobNotFound."""
    if request.name.endswith("/"):
        raise BlobNotFound("No blob's name ends with a slash.")


async def _answer(reading: Reading, request: BlobRequest) -> Response:
    blob, headers = reading.blob, described(reading.blob)
    conditions(request).check_read(blob)
    part = asked_range(request.headers.get("x-ms-range") or request.headers.get("range"), blob.size)
    start, length = part or (0, blob.size)
    headers["content-length"] = str(length)
    if part is None:
        if length == 0:
            reading.close()
            return Response(headers=headers)
        return StreamingResponse(_sent(reading, start, length), 200, headers)
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{blob.size}"
    whole = headers.pop("content-md5", None)
    if whole is not None:
        headers["x-ms-blob-content-md5"] = whole
    if request.headers.get("x-ms-range-get-content-md5", "").lower() != "true":
        return StreamingResponse(_sent(reading, start, length), 206, headers)
    if length > _SUMMED:
        raise bad_header(f"An MD5 is made of at most {_SUMMED} bytes.", "OutOfRangeInput")
    content = b"".join([piece async for piece in _sent(reading, start, length)])
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    headers["content-md5"] = base64.b64encode(digest).decode()
    return Response(content, 206, headers)


async def _sent(reading: Reading, start: int, length: int) -> AsyncIterator[bytes]:
    try:
        async for piece in reading.pieces(start, length):
            yield piece
    finally:
        reading.close()


def asked_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """Start and length; None for the whole blob, which is also the answer to a range in
    another form (RFC 9110 lets a server ignore those). Raises Refusal."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise Refusal(
            416,
            "InvalidRange",
            f"The blob has {size} bytes.",
            {"content-range": f"bytes */{size}"},
        )
    return start, end - start + 1
