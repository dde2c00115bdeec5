"""Many small blobs in one answer, for who holds a signed URL of each.

    POST /gathered
    {"blobs": [{"target": "/blobs/c/a.csv?sv=1&...", "etag": "\\"0x...\\""}, ...]}

The answer has, in the order asked, a head of 12 bytes for each (status and length, big-endian) and
the content behind it. Those that would be too much at once are left out at its end, and asked for
again. One that is large has the status 413: it is for a request of its own, as is whatever else is
not 200.
"""

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from domain import errors
from domain.ports import Permission
from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest.refusals import Refusal, bad_query, rendered
from infra.embedded.blobs.rest.requests import PREFIX, named
from infra.embedded.blobs.signed_urls import SignedUrls
from infra.embedded.http.admission import admitted

PATH: Final = "/gathered"
_HEAD: Final = struct.Struct(">IQ")
_MOST_ASKED: Final = 256 * 1024
_MOST_BLOBS: Final = 256
_MOST_BYTES: Final = 4 * 1024 * 1024
_LARGEST: Final = 1024 * 1024
_SILENCE: Final = 60.0
_CLOSE: Final = {"connection": "close"}
_SIGNED: Final = frozenset({"sv", "sr", "sp", "se", "si", "sig"})

_Blob = tuple[str, str, str | None]


class Gathering:
    """To be read is what each URL by itself would read; there is no other credential."""

    def __init__(self, files: FileBlobs, urls: SignedUrls) -> None:
        self._files = files
        self._urls = urls

    async def __call__(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except (Refusal, errors.DomainError) as error:
            return rendered(error)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise Refusal(405, "UnsupportedHttpVerb", "Only POST is offered.", {"allow": "POST"})
        lent = [self._lent(each) for each in _asked(await _body(request))]
        blobs = [each for each in lent if isinstance(each, tuple)]
        if not blobs:
            [first, *_] = lent
            return first if isinstance(first, Response) else Response(status_code=403)
        admitted(request)
        contents = iter(await self._files.wholes(blobs, _MOST_BYTES, _LARGEST))
        parts: list[bytes] = []
        for each in lent:
            if isinstance(each, Response):
                parts.append(_HEAD.pack(each.status_code, 0))
                continue
            content = next(contents, None)
            if content is None:
                break
            if isinstance(content, errors.DomainError):
                parts.append(_HEAD.pack(rendered(content).status_code, 0))
            else:
                parts += (_HEAD.pack(200, len(content)), content)
        return Response(b"".join(parts), media_type="application/octet-stream")

    def _lent(self, asked: Any) -> _Blob | Response:
        """What it is good for; else why it is not."""
        try:
            target, etag = str(asked["target"]), str(asked.get("etag") or "")
            path, _, query_string = target.partition("?")
            if not path.startswith(PREFIX):
                raise bad_query("The URL names no blob.", "InvalidUri")
            container, name, query = named(path, query_string)
            if not name or not _SIGNED.issuperset(query):
                raise bad_query("The URL is no signed one of a blob.", "InvalidUri")
            self._urls.verify(Permission.READ, container, name, query)
        except (KeyError, TypeError, AttributeError):
            return rendered(bad_query("A blob has a target.", "InvalidInput"))
        except (Refusal, errors.DomainError) as error:
            return rendered(error)
        return container, name, etag or None


async def _body(request: Request) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(_SILENCE):
            async for piece in request.stream():
                content += piece
                if len(content) > _MOST_ASKED:
                    told = f"A request has at most {_MOST_ASKED} bytes."
                    raise Refusal(413, "RequestBodyTooLarge", told, _CLOSE)
    except TimeoutError:
        told = f"The body did not come in {_SILENCE:g} seconds."
        raise Refusal(408, "OperationTimedOut", told, _CLOSE) from None
    return bytes(content)


def _asked(body: bytes) -> Sequence[Any]:
    try:
        blobs = json.loads(body)["blobs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        blobs = None
    if not isinstance(blobs, list) or not 0 < len(blobs) <= _MOST_BLOBS:
        raise bad_query(f"The body lists 1 to {_MOST_BLOBS} blobs.", "InvalidInput")
    return blobs
