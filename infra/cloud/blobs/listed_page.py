"""One page of a container's listing, out of the XML that the Blob service writes.

The service's XML is read by its own few forms and nothing is built of it: that takes a fiftieth of
what a parser and the SDK's models take, which a job of millions of files waits for. A page in which
a blob lacks what every blob has is refused whole.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from domain.errors import Unavailable
from domain.ports import BlobProperties

_BLOB: Final = re.compile(rb"<Blob>(.*?)</Blob>", re.DOTALL)
_NAME: Final = re.compile(rb'<Name( Encoded="true")?>([^<]*)</Name>')
_ETAG: Final = re.compile(rb"<Etag>([^<]+)</Etag>", re.IGNORECASE)
_SIZE: Final = re.compile(rb"<Content-Length>(\d+)</Content-Length>")
_CHANGED: Final = re.compile(rb"<Last-Modified>([^<]+)</Last-Modified>")
_TYPE: Final = re.compile(rb"<Content-Type>([^<]+)</Content-Type>")
_METADATA: Final = re.compile(rb"<Metadata>(.*?)</Metadata>", re.DOTALL)
_PAIR: Final = re.compile(rb"<([^\s/<>]+)(?:>([^<]*)</[^<>]+>|\s*/>)")
_FOLDER: Final = re.compile(
    rb'<BlobPrefix><Name( Encoded="true")?>([^<]*)</Name>.*?</BlobPrefix>', re.DOTALL
)
_MARKER: Final = re.compile(rb"<NextMarker>([^<]+)</NextMarker>")
_ENTITY: Final = re.compile(r"&(?:#x([0-9A-Fa-f]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));")
_NAMED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (*("Jan", "Feb", "Mar", "Apr", "May", "Jun"), *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec")),
        1,
    )
}


@dataclass(frozen=True)
class ListedPage:
    """`marker` is where the next page begins; None for the last. `folders` are prefixes, where
    those were asked for."""

    blobs: list[BlobProperties]
    marker: str | None
    folders: tuple[str, ...] = ()


def listed_page(content: bytes, hidden: str) -> ListedPage:
    """The page without the metadata called `hidden`. Raises Unavailable for what is none."""
    blobs = [_blob(match[1], hidden.casefold()) for match in _BLOB.finditer(content)]
    folders = tuple(_spelled(match) for match in _FOLDER.finditer(content))
    is_whole = len(blobs) == content.count(b"<Blob>")
    is_whole &= len(folders) == content.count(b"<BlobPrefix>")
    if not is_whole or b"</EnumerationResults>" not in content:
        raise Unavailable("The Blob service's listing is cut off.")
    marker = _MARKER.search(content)
    return ListedPage(blobs, _text(marker[1]) if marker else None, folders)


def _spelled(name: re.Match[bytes]) -> str:
    text = _text(name[2])
    return unquote(text) if name[1] else text


def _blob(content: bytes, hidden: str) -> BlobProperties:
    name, etag = _NAME.search(content), _ETAG.search(content)
    size, changed = _SIZE.search(content), _CHANGED.search(content)
    if name is None or etag is None or size is None or changed is None:
        raise Unavailable(
            "The Blob service lists a blob without a name, an ETag, a size or a date."
        )
    type, metadata = _TYPE.search(content), _METADATA.search(content)
    tag = _text(etag[1])
    return BlobProperties(
        name=_spelled(name),
        size=int(size[1]),
        # Listings give ETags without their quotes.
        etag=tag if tag.endswith('"') else f'"{tag}"',
        last_modified=_time(changed[1]),
        content_type=_text(type[1]) if type else "application/octet-stream",
        metadata=_metadata(metadata[1], hidden) if metadata else {},
    )


def _metadata(content: bytes, hidden: str) -> Mapping[str, str]:
    pairs = ((_text(pair[1]), _text(pair[2] or b"")) for pair in _PAIR.finditer(content))
    return {name: value for name, value in pairs if name.casefold() != hidden}


def _text(content: bytes) -> str:
    text = content.decode()
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    if entity[3]:
        return _NAMED[entity[3]]
    return chr(int(entity[1], 16) if entity[1] else int(entity[2]))


@lru_cache(maxsize=1024)
def _time(content: bytes) -> datetime:
    """Of `Mon, 30 Nov 2026 20:15:30 GMT`: files of one folder were often written in few seconds."""
    text = content.decode()
    try:
        return datetime(
            int(text[12:16]),
            _MONTHS[text[8:11]],
            int(text[5:7]),
            int(text[17:19]),
            int(text[20:22]),
            int(text[23:25]),
            tzinfo=UTC,
        )
    except (KeyError, ValueError) as error:
        raise Unavailable(f"The Blob service names no such time: {text[:40]}.") from error
