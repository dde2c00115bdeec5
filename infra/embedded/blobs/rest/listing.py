"""List Blobs, flat and by levels."""

import asyncio
import base64
import re
from collections.abc import Iterable, Mapping
from email.utils import format_datetime
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from infra.embedded.blobs.blob_pages import Entry
from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest.refusals import bad_query
from infra.embedded.blobs.rest.requests import ContainerRequest
from infra.embedded.blobs.stored_blob import StoredBlob

_MOST = 5000
# None of these exists here, so that a listing with them is the same as one without.
_NEVER_THERE = {
    *("snapshots", "versions", "deleted", "deletedwithversions", "copy", "tags"),
    *("immutabilitypolicy", "legalhold"),
}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEADERS = (
    ("Content-Encoding", "content-encoding"),
    ("Content-Language", "content-language"),
    ("Content-MD5", "content-md5"),
    ("Content-Disposition", "content-disposition"),
    ("Cache-Control", "cache-control"),
)


class ListBlobs:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def __call__(self, files: FileBlobs, request: ContainerRequest) -> Response:
        """Up to 5,000 in order of name. The marker is a name, so that a listing goes on
        where it was, whatever has come or gone meanwhile."""
        query = request.query
        with_metadata = _includes_metadata(query)
        most = _most(query)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries, following = await files.page(
            request.container, prefix, _name(query.get("marker", "")), delimiter, most
        )
        head = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<EnumerationResults ServiceEndpoint={quoteattr(self._endpoint)}"
            f" ContainerName={quoteattr(request.container)}>"
            + "".join(
                f"<{tag}>{_text(query[name])}</{tag}>"
                for tag, name in (("Prefix", "prefix"), ("Marker", "marker"))
                if query.get(name)
            )
            + (f"<MaxResults>{most}</MaxResults>" if "maxresults" in query else "")
            + (f"<Delimiter>{_text(delimiter)}</Delimiter>" if delimiter else "")
        )
        tail = f"<NextMarker>{_marker(following)}</NextMarker></EnumerationResults>"
        # Thousands of entries are too many to word between two turns of the loop.
        blobs = await asyncio.to_thread(_blobs, entries, with_metadata)
        return Response(f"{head}{blobs}{tail}", media_type="application/xml")


def _most(query: Mapping[str, str]) -> int:
    asked = query.get("maxresults", str(_MOST))
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10):
        raise bad_query("maxresults is a whole number.")
    if int(asked) == 0:
        raise bad_query("maxresults is at least 1.", "OutOfRangeQueryParameterValue")
    return min(int(asked), _MOST)


def _includes_metadata(query: Mapping[str, str]) -> bool:
    asked = {part for part in query.get("include", "").lower().split(",") if part}
    unknown = asked - _NEVER_THERE - {"metadata"}
    if unknown:
        raise bad_query(f"include={','.join(sorted(unknown))[:80]} is not offered here.")
    return "metadata" in asked


def _marker(name: str | None) -> str:
    return "" if name is None else base64.urlsafe_b64encode(name.encode()).decode()


def _name(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise bad_query("The marker is none that a listing gave.") from None


def _blobs(entries: Iterable[Entry], with_metadata: bool) -> str:
    parts = ["<Blobs>"]
    for entry in entries:
        if isinstance(entry, str):
            parts.append(f"<BlobPrefix>{_named(entry)}</BlobPrefix>")
        else:
            parts.append(_blob(entry, with_metadata))
    parts.append("</Blobs>")
    return "".join(parts)


def _blob(blob: StoredBlob, with_metadata: bool) -> str:
    headers = "".join(
        f"<{tag}>{escape(blob.headers[name])}</{tag}>"
        for tag, name in _HEADERS
        if name in blob.headers
    )
    metadata = ""
    if with_metadata:
        pairs = (f"<{n}>{escape(v)}</{n}>" for n, v in blob.metadata.items())
        metadata = f"<Metadata>{''.join(pairs)}</Metadata>"
    etag = escape(blob.etag.strip('"'))
    return (
        f"<Blob>{_named(blob.name)}<Properties>"
        f"<Last-Modified>{format_datetime(blob.last_modified, usegmt=True)}</Last-Modified>"
        f"<Etag>{etag}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{escape(blob.content_type)}</Content-Type>{headers}"
        "<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>"
        "<LeaseState>available</LeaseState><ServerEncrypted>false</ServerEncrypted>"
        f"</Properties>{metadata}</Blob>"
    )


def _named(name: str) -> str:
    """What XML cannot hold is percent-encoded, and says so."""
    if _NOT_IN_XML.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _text(value: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", value))
