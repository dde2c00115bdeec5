"""Put Block, Put Block List, Get Block List."""

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Literal, get_args
from xml.parsers import expat

from starlette.responses import Response

from domain import errors
from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest.bodies import Caps, content
from infra.embedded.blobs.rest.conditions import conditions
from infra.embedded.blobs.rest.properties import about, record
from infra.embedded.blobs.rest.refusals import Refusal, bad_header, bad_query
from infra.embedded.blobs.rest.requests import BlobRequest
from infra.embedded.blobs.stored_blob import NamedBlock

_BLOCK_ID_BYTES = 64
_MOST = 50_000
_TEXT = 256

_Lists = Literal["committed", "uncommitted", "all"]


class PutBlock:
    def __init__(self, caps: Caps) -> None:
        self._caps = caps

    async def __call__(self, files: FileBlobs, request: BlobRequest) -> Response:
        block_id = decoded_id(request.query.get("blockid", ""))
        if request.headers.get("content-length") == "0":
            raise bad_header("A block has at least one byte.")
        body = content(request, self._caps.block, self._caps.silence)
        await files.stage(request.container, request.name, block_id, body)
        given = request.headers.get("content-md5")
        return Response(status_code=201, headers={"content-md5": given} if given else None)


class PutBlockList:
    def __init__(self, caps: Caps) -> None:
        self._caps = caps

    async def __call__(self, files: FileBlobs, request: BlobRequest) -> Response:
        wanted = conditions(request)
        kept = record(request.headers)
        body = content(request, self._caps.block_list, self._caps.silence)
        written = await files.commit(
            request.container,
            request.name,
            await _BlockList().read(body),
            kept,
            if_absent=wanted.if_absent,
            condition=wanted.for_write,
        )
        return Response(status_code=201, headers=about(written))


async def get_block_list(files: FileBlobs, request: BlobRequest) -> Response:
    asked = request.query.get("blocklisttype", "committed").lower()
    if asked not in get_args(_Lists):
        raise bad_query("blocklisttype is committed, uncommitted or all.")
    found = await files.block_lists(request.container, request.name)
    if found.blob is None and asked == "committed":
        raise errors.BlobNotFound(f"There is no blob {request.name!r}.", target=request.name)
    headers = {}
    if found.blob is not None:
        conditions(request).check_read(found.blob)
        headers = {**about(found.blob), "x-ms-blob-content-length": str(found.blob.size)}
    parts = ['<?xml version="1.0" encoding="utf-8"?><BlockList>']
    for name, blocks in (("committed", found.committed), ("uncommitted", found.uncommitted)):
        if asked in (name, "all"):
            tag = f"{name.capitalize()}Blocks"
            parts.append(f"<{tag}>")
            parts += [
                f"<Block><Name>{_encoded_id(id)}</Name><Size>{size}</Size></Block>"
                for id, size in blocks
            ]
            parts.append(f"</{tag}>")
    parts.append("</BlockList>")
    return Response("".join(parts), headers=headers, media_type="application/xml")


def decoded_id(text: str) -> str:
    """A block's id as the store has it. Raises Refusal."""
    raw = b""
    with contextlib.suppress(ValueError):
        raw = base64.b64decode(text, validate=True)
    if not 1 <= len(raw) <= _BLOCK_ID_BYTES:
        raise Refusal(
            400,
            "InvalidBlockId",
            f"A block's id is the Base64 form of 1 to {_BLOCK_ID_BYTES} bytes.",
        )
    return raw.decode(errors="surrogateescape")


def _encoded_id(id: str) -> str:
    return base64.b64encode(id.encode(errors="surrogateescape")).decode()


class _BlockList:
    """Reads the XML as it comes, and keeps nothing of it but the blocks."""

    _PLACES: dict[str, Literal["latest", "committed", "uncommitted"]] = {
        "Latest": "latest",
        "Committed": "committed",
        "Uncommitted": "uncommitted",
    }

    def __init__(self) -> None:
        self._blocks: list[NamedBlock] = []
        self._path: list[str] = []
        self._text = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    async def read(self, body: AsyncIterator[bytes]) -> list[NamedBlock]:
        """Raises Refusal for what is no block list."""
        try:
            async for piece in body:
                self._parser.Parse(piece, False)
            self._parser.Parse(b"", True)
        # Beside what is no XML: an encoding that nobody knows, or that expat cannot take.
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise _bad_xml(f"The block list is not XML: {error}.") from None
        return self._blocks

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text = ""
        wanted = name == "BlockList" if len(self._path) == 1 else name in self._PLACES
        if not wanted or len(self._path) > 2:
            raise _bad_xml(f"<{name[:40]}> has no place in a block list.")

    def _end(self, name: str) -> None:
        self._path.pop()
        if self._path:
            if len(self._blocks) == _MOST:
                raise Refusal(400, "BlockListTooLong", f"A blob has at most {_MOST} blocks.")
            self._blocks.append(NamedBlock(decoded_id(self._text.strip()), self._PLACES[name]))

    def _characters(self, text: str) -> None:
        if len(self._path) == 2:
            self._text += text
        elif text.strip():
            raise _bad_xml("There is text between the blocks of the block list.")
        if len(self._text) > _TEXT:
            raise _bad_xml("The block list has a text that is no block's id.")

    def _doctype(self, *_: object) -> None:
        raise _bad_xml("A block list has no document type.")


def _bad_xml(message: str) -> Refusal:
    return Refusal(400, "InvalidXmlDocument", message)
