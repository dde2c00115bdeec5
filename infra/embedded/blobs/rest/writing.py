"""Put Blob, Set Blob Metadata, Set Blob Properties, Delete Blob."""

from dataclasses import replace

from starlette.responses import Response

from domain import errors
from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest.bodies import Caps, content
from infra.embedded.blobs.rest.conditions import conditions
from infra.embedded.blobs.rest.properties import about, record
from infra.embedded.blobs.rest.refusals import bad_header
from infra.embedded.blobs.rest.requests import BlobRequest


class PutBlob:
    def __init__(self, caps: Caps) -> None:
        self._caps = caps

    async def __call__(self, files: FileBlobs, request: BlobRequest) -> Response:
        kind = request.headers.get("x-ms-blob-type", "BlockBlob")
        if kind.lower() != "blockblob":
            raise bad_header(f"Only block blobs are kept here, not a {kind[:40]!r}.")
        wanted = conditions(request)
        kept = record(request.headers, plain=True)
        written = await files.write(
            request.container,
            request.name,
            content(request, self._caps.blob, self._caps.silence, is_blob=True),
            kept,
            if_absent=wanted.if_absent,
            condition=wanted.for_write,
            drop_blocks=True,
        )
        headers = about(written)
        if "content-md5" in kept.headers:
            headers["content-md5"] = kept.headers["content-md5"]
        return Response(status_code=201, headers=headers)


async def set_metadata(files: FileBlobs, request: BlobRequest) -> Response:
    given = record(request.headers).metadata
    changed = await files.change(
        request.container,
        request.name,
        lambda old: replace(old, metadata=given),
        conditions(request).for_change,
    )
    return Response(headers=about(changed))


async def set_properties(files: FileBlobs, request: BlobRequest) -> Response:
    """Every one of them: what is not given is cleared."""
    given = record(request.headers)
    changed = await files.change(
        request.container,
        request.name,
        lambda old: replace(given, metadata=old.metadata),
        conditions(request).for_change,
    )
    return Response(headers=about(changed))


async def delete_blob(files: FileBlobs, request: BlobRequest) -> Response:
    if request.headers.get("x-ms-delete-snapshots", "include").lower() != "include":
        raise bad_header("There are no snapshots here.")
    deleted = await files.delete(request.container, request.name, conditions(request).for_change)
    if deleted is None:
        raise errors.BlobNotFound(f"There is no blob {request.name!r}.", target=request.name)
    return Response(status_code=202)
