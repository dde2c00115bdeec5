"""A blob's properties as headers, both ways."""

import base64
from collections.abc import Mapping
from email.utils import format_datetime

from starlette.datastructures import Headers

from domain.ports import BlobProperties
from infra.embedded.blobs.rest.refusals import bad_header
from infra.embedded.blobs.stored_blob import StoredBlob
from infra.rules.blob_record import Record, checked

META = "x-ms-meta-"
DEFAULT_CONTENT_TYPE = "application/octet-stream"

_KEPT = ("content-encoding", "content-language", "content-disposition", "cache-control")


def about(blob: BlobProperties) -> dict[str, str]:
    """What every answer about a blob tells."""
    return {
        "etag": blob.etag,
        "last-modified": format_datetime(blob.last_modified, usegmt=True),
    }


def described(blob: StoredBlob) -> dict[str, str]:
    return {
        **about(blob),
        **blob.headers,
        **{META + name: value for name, value in blob.metadata.items()},
        "content-type": blob.content_type,
        "accept-ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "false",
        # What users put here is theirs, and no page of the host's.
        "x-content-type-options": "nosniff",
    }


def metadata(headers: Headers) -> Mapping[str, str]:
    return {n.removeprefix(META): v for n, v in headers.items() if n.startswith(META)}


def record(headers: Headers, *, plain: bool = False) -> Record:
    """What the request says of the blob's properties. `plain`: also by HTTP's own headers,
    which elsewhere speak of the request's body. Raises Invalid and Refusal."""
    kept = {}
    for name in _KEPT:
        own = "x-ms-blob-" + name
        value = headers.get(own) or (headers.get(name) if plain else None)
        if value:
            kept[name] = value
    md5 = headers.get("x-ms-blob-content-md5") or (headers.get("content-md5") if plain else None)
    if md5:
        check_md5(md5)
        kept["content-md5"] = md5
    content_type = headers.get("x-ms-blob-content-type") or (
        headers.get("content-type") if plain else None
    )
    return checked(content_type or DEFAULT_CONTENT_TYPE, metadata(headers), kept)


def check_md5(value: str) -> None:
    try:
        sound = len(base64.b64decode(value, validate=True)) == 16
    except ValueError:
        sound = False
    if not sound:
        raise bad_header("An MD5 is the Base64 form of its 16 bytes.", "InvalidMd5")
